"""A password manager for the terminal: search, show, generate, edit, and a lock that closes by itself.

    python examples/password_manager.py [FILE] [--idle SECONDS]      needs: pip install 'securemem[argon2]' textual

What is typed in secret (passphrase, new passwords) is read by securemem from the terminal itself, outside the screen's
library, into locked memory. A password that is shown is different: the screen's library draws str, and str cannot be
wiped. It is shown only while you ask for it, and its copies stay until Python uses that memory again.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.app import App
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Footer, Header, Input, OptionList, Static
from textual.widgets.option_list import Option

from securemem import KeyStore, Passphrase, StoreLockedError, doors, process
from securemem.exceptions import SecureMemError

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual import events
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from securemem.keystore.file_store import FileKeyStore

LENGTH = 24  # characters of a generated password
MASK = "•" * 12
KEEP = 5  # former passwords


class NameScreen(ModalScreen[str]):
    """Asks for the name of a new entry."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "dismiss('')", "Back")]

    def compose(self) -> ComposeResult:
        """One line."""
        yield Input(placeholder="Name of the new entry, then Enter", id="name")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Give it to who asked."""
        self.dismiss(event.value)


class PasswordManager(App[None]):
    """The screen of one store."""

    TITLE = "Passwords"
    CSS = """
    #names { width: 1fr; }
    #details { width: 2fr; padding: 1 2; }
    NameScreen { align: center middle; }
    #name { width: 60; }
    """
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        ("ctrl+n", "new", "New"),
        ("ctrl+r", "reveal", "Show/Hide"),
        ("ctrl+t", "edit", "Edit"),
        ("ctrl+l", "lock", "Lock/Unlock"),
        ("ctrl+q", "quit", "Quit"),
    ]

    def __init__(self, store: FileKeyStore, idle: float, ask: Callable[..., Passphrase]) -> None:
        super().__init__()
        self.store = store
        self.idle = idle
        self.ask = ask
        self.until = time.monotonic() + idle
        self.shown = False

    def compose(self) -> ComposeResult:
        """Search above, names on the left, the chosen one on the right."""
        yield Header()
        yield Input(placeholder="Search names, labels and URLs", id="search")
        with Horizontal():
            yield OptionList(id="names")
            with Vertical():
                yield Static(id="details", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        """Begin to count down."""
        self.until = time.monotonic() + self.idle
        self.set_interval(0.25, self.count_down)
        self.list_names()
        self.query_one("#search").focus()

    # The lock

    def count_down(self) -> None:
        """Show how long it stays open, and lock it when the time is over."""
        left = self.until - time.monotonic()
        if not self.store.locked and left <= 0:
            self.store.lock()
        if self.store.locked:
            if self.sub_title != "locked":
                self.hide_all()
            self.sub_title = "locked"
        else:
            self.sub_title = f"locks in {int(left) // 60}:{int(left) % 60:02}"

    def hide_all(self) -> None:
        """Take everything from the screen."""
        self.shown = False
        self.query_one("#names", OptionList).clear_options()
        self.query_one("#details", Static).update("Locked. Ctrl+L unlocks.")

    def on_event_of_user(self) -> None:
        """Somebody is here."""
        self.until = time.monotonic() + self.idle

    async def on_event(self, event: events.Event) -> None:
        """Each key and click lets the time begin anew."""
        if type(event).__name__ in {"Key", "MouseDown", "MouseScrollUp", "MouseScrollDown"}:
            self.on_event_of_user()
        await super().on_event(event)

    def action_lock(self) -> None:
        """Lock it, or ask for the passphrase."""
        if not self.store.locked:
            self.store.lock()
        else:
            with self.suspend():
                kek = self.ask(self.store.path)
            try:
                self.store.unlock(kek)
            except SecureMemError as error:
                self.notify(str(error), severity="error")
            else:
                self.on_event_of_user()
                self.list_names()
        self.count_down()

    # Names

    def on_input_changed(self, event: Input.Changed) -> None:
        """Search with each key."""
        if event.input.id == "search":
            self.list_names()

    def list_names(self) -> None:
        """Show what fits the search."""
        text, names = self.query_one("#search", Input).value, self.query_one("#names", OptionList)
        names.clear_options()
        try:
            found = self.store.find(text)
        except StoreLockedError:
            return
        names.add_options(Option(item.name, id=str(number)) for number, item in enumerate(found))
        if found:
            names.highlighted = 0
        else:
            self.query_one("#details", Static).update("Nothing is there. Ctrl+N makes a new entry.")

    @property
    def chosen(self) -> str | None:
        """The name that is chosen."""
        option = self.query_one("#names", OptionList).highlighted_option
        return None if option is None else str(option.prompt)

    def on_option_list_option_highlighted(self) -> None:
        """Show another one, masked."""
        self.shown = False
        self.show_details()

    def show_details(self) -> None:
        """The chosen one; its password only while it is asked for."""
        name = self.chosen
        if name is None or self.store.locked:
            return
        item = self.store.item(name)
        lines = [name, "", f"Password  {self.password_of(name) if self.shown else MASK}"]
        lines += [f"URL       {item.url}"] if item.url else []
        lines += [f"Labels    {', '.join(item.labels)}"] if item.labels else []
        lines += [f"Changed   {item.changed:%Y-%m-%d %H:%M} UTC"] if item.changed else []
        lines += [f"Expires   {item.expires:%Y-%m-%d}"] if item.expires else []
        lines += [f"Before    {item.former} former passwords"] if item.former else []
        self.query_one("#details", Static).update("\n".join(lines))

    def password_of(self, name: str) -> str:
        """The password as str, which the screen draws: see above."""
        if self.store.item(name).algorithm:
            return "a key, which is only used"
        with self.store.get(name) as secret, secret.reveal() as view:
            return str(view, "utf-8", "backslashreplace")

    # Changes

    def action_reveal(self) -> None:
        """Show the password, or hide it."""
        self.shown = not self.shown
        self.show_details()

    def action_new(self) -> None:
        """A new entry with a random password."""
        if not self.store.locked:
            self.push_screen(NameScreen(), self.add)

    def add(self, name: str | None) -> None:
        """Make it."""
        if not name:
            return
        try:
            if name in self.store:
                self.notify("There is an entry of that name.", severity="error")
                return
            self.store.put(name, doors.generate_password(LENGTH), keep=KEEP)
        except SecureMemError as error:
            self.notify(str(error), severity="error")
        self.query_one("#search", Input).value = ""
        self.list_names()
        self.show_details()

    def action_edit(self) -> None:
        """Type another password for the chosen one."""
        name = self.chosen
        if name is None or self.store.locked:
            return
        try:
            with self.suspend():
                secret = doors.prompt(f"New password of {name}: ", confirm="Again: ")
            self.store.put(name, secret, keep=KEEP)
        except SecureMemError as error:
            self.notify(str(error), severity="error")
        self.on_event_of_user()
        self.show_details()


def passphrase(path: str) -> Passphrase:
    """Ask for it at the terminal."""
    return Passphrase(doors.prompt(f"Passphrase of {path}: "))


def main() -> None:
    """Open or make the store, and show it."""
    parser = argparse.ArgumentParser(description="A password manager for the terminal.")
    parser.add_argument("file", nargs="?", default=str(Path.home() / ".local/share/securemem/store"))
    parser.add_argument("--idle", type=float, default=120, help="seconds without a key until it locks itself")
    arguments = parser.parse_args()
    process.harden()
    if not Path(arguments.file).exists():
        Path(arguments.file).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = doors.prompt(f"Passphrase of the new store {arguments.file}: ", confirm="Again: ")
        store = KeyStore.create(arguments.file, Passphrase(new))
    else:
        store = KeyStore.open(arguments.file, passphrase(arguments.file))
    with store:
        PasswordManager(store, arguments.idle, passphrase).run()


if __name__ == "__main__":
    main()
