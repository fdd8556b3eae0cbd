"""The operations of a key store in a file, as the interruption driver runs them: see `shop.Shop`.

After each attempt another opening of the file changes it: an interrupted transaction has left no lock, and nothing that
is not whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from securemem import KeyStore, Policy, SecureBytes
from securemem.exceptions import OutOfMemoryError
from securemem.keystore.file_store import FileKeyStore
from tests.interruption.shop import CONTEXT, HeldKey, Panic, Shop, on_a_store
from tests.support.interruption import Case, Operation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.interruption import Attempt

# Where memory is refused, os.fspath() says of a path that it is none.
REFUSALS = (TypeError,)
CONVERTS = (Panic, OutOfMemoryError)  # the latter in the place of MemoryError, as documented


class FileShop(Shop):
    """A store in a file, which others can change after each attempt."""

    NAME = "FileKeyStore"
    store: FileKeyStore

    def made(self, **options: Any) -> FileKeyStore:
        """A new file."""
        return KeyStore.create(self.folder / "store", self.kek, **options)

    def consistent(self) -> None:
        """The file too: another opening of it can change it, finds it whole, and this one sees the change."""
        with KeyStore.open(self.folder / "store", self.kek) as other:
            other.put("probe", bytearray(b"from elsewhere"))
            other.check()
        if self.store.locked:
            self.store.unlock(self.kek)
        with self.store.get("probe") as found:
            assert found == b"from elsewhere"
        self.store.delete("probe")
        super().consistent()
        self.store.close()

    def case(self, operate: Callable[[], object], check: Callable[[Attempt], str | None] | None = None) -> Case:
        """The case of an operation: no file may be left beside the store."""

        def both(attempt: Attempt) -> str | None:
            if self.store._contents.book.file.in_transaction:
                return "a transaction goes on"
            return None if check is None else check(attempt)

        case = super().case(operate, both)
        case.folder, case.files = self.folder, frozenset({"store", "copy"})
        return case


def _on_a_file(name: str, use: Callable[[Any], object], **options: Any) -> Operation:
    return on_a_store(name, use, shop_type=FileShop, converts=CONVERTS, refusals=REFUSALS, **options)


def _closed_after(operate: Callable[[], FileKeyStore], shop: FileShop) -> Case:
    """The case of what opens a file: the program closes it."""

    def after(attempt: Attempt) -> None:
        if isinstance(attempt.result, FileKeyStore):
            attempt.result.close()

    def check(_attempt: Attempt) -> str | None:
        shop.store.unlock(shop.kek)
        shop.store.put("opaque", SecureBytes.copy_of(shop.plain))
        shop.store.close()
        return None

    case = Case(operate, shop.secrets, after=after, check=check, watched=shop.secret)
    case.folder, case.files = shop.folder, frozenset({"store", "new"})
    return case


def _opened(folder: Path) -> Case:
    shop = FileShop(folder)
    shop.store.close()
    return _closed_after(lambda: KeyStore.open(folder / "store", shop.kek), shop)


def _created(folder: Path) -> Case:
    shop = FileShop(folder)
    shop.store.close()
    case = _closed_after(lambda: KeyStore.create(folder / "new", shop.kek), shop)

    def check(attempt: Attempt) -> str | None:
        new = folder / "new"
        if attempt.error is None or new.exists():  # it is whole, or not there
            with KeyStore.open(new, shop.kek) as store:
                store.check()
        return None

    case.check = check
    return case


def _close(shop: Any) -> None:
    shop.store.close()


def _unlocked(folder: Path) -> Case:
    shop = FileShop(folder)
    shop.store.close()
    case = shop.case(lambda: shop.store.unlock(shop.kek))
    case.after = lambda _attempt: None if shop.store.locked else shop.store.close()  # a failed one leaves it closed
    return case


def _second_kek(shop: Any) -> None:
    shop.store.add_kek(HeldKey(shop.secrets), "second")


def _same_again(shop: Shop) -> SecureBytes:
    return shop.own(SecureBytes.copy_of(shop.plain))


def _counted(shop: Any) -> Any:
    return shop.store.generate("counted", policy=Policy(max_messages=1000))


def _exported(shop: Any) -> Any:
    path = shop.folder / "copy"
    shop.store.export_records(path, shop.kek)
    return path


OPERATIONS = [
    Operation("FileKeyStore: create", _created, CONVERTS, REFUSALS, watched=True),
    Operation("FileKeyStore: open", _opened, CONVERTS, REFUSALS, watched=True),
    _on_a_file("close", _close),
    Operation("FileKeyStore: unlock, closed", _unlocked, CONVERTS, REFUSALS, watched=True),
    _on_a_file("lock", lambda shop: shop.store.lock(), right=lambda shop, _: shop.store.locked),
    _on_a_file("unlock", lambda shop: shop.store.unlock(shop.kek), prepare=lambda shop: shop.store.lock()),
    _on_a_file("generate", lambda shop: shop.store.generate("new")),
    _on_a_file("put", lambda shop: shop.store.put("opaque", shop.given), prepare=_same_again),
    _on_a_file("get", lambda shop: shop.store.get("opaque"), right=lambda shop, found: found == shop.plain),
    _on_a_file("encrypt", lambda shop: shop.key.encrypt(shop.plain, CONTEXT)),
    _on_a_file("encrypt AES-256-GCM", lambda shop: shop.key.encrypt(shop.plain, CONTEXT), algorithm="AES-256-GCM"),
    _on_a_file("encrypt with counts", lambda shop: shop.given.encrypt(shop.plain, CONTEXT), prepare=_counted),
    _on_a_file(
        "decrypt",
        lambda shop: shop.key.decrypt(shop.protected, CONTEXT),
        right=lambda shop, found: found == shop.plain,
    ),
    _on_a_file("rotate", lambda shop: shop.key.rotate()),
    _on_a_file("destroy", lambda shop: shop.key.destroy(1)),
    _on_a_file("delete", lambda shop: shop.store.delete("opaque")),
    _on_a_file("clear", lambda shop: shop.store.clear()),
    _on_a_file(
        "rename", lambda shop: shop.store.rename("one", "other"), prepare=lambda shop: shop.store.generate("one")
    ),
    _on_a_file("names", lambda shop: (len(shop.store), list(shop.store), shop.store.generation, shop.store.keks)),
    _on_a_file("change_kek", lambda shop: shop.store.change_kek(shop.kek)),
    _on_a_file("add_kek", _second_kek),
    _on_a_file("remove_kek", lambda shop: shop.store.remove_kek("second"), prepare=_second_kek),
    _on_a_file("rotate_root", lambda shop: shop.store.rotate_root(shop.kek)),
    _on_a_file("check", lambda shop: shop.store.check()),
    _on_a_file("backup", lambda shop: shop.store.backup(shop.folder / "copy")),
    _on_a_file("export_records", lambda shop: shop.store.export_records(shop.folder / "copy", shop.kek)),
    _on_a_file(
        "import_records",
        lambda shop: shop.store.import_records(shop.given, shop.kek, replace=True),
        prepare=_exported,
    ),
]
