"""A source for `pydantic-settings` that reads credentials straight into locked memory. Needs the package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from securemem.adapters.pydantic import SecretField
from securemem.doors import read_credential
from securemem.exceptions import MissingSecretError

if TYPE_CHECKING:
    import os

    from pydantic.fields import FieldInfo

__all__ = ["CredentialsSource"]


def _secret(annotation: object) -> bool:
    """Whether a type, or one of those that it is made of, is a secret's."""
    if isinstance(annotation, SecretField):
        return True
    inner = (*get_args(annotation), *getattr(annotation, "__metadata__", ()))
    return any(_secret(one) for one in inner)


class CredentialsSource(PydanticBaseSettingsSource):
    """Fills the fields that are secrets from the credentials that the service manager hands to the program.

    Return it from settings_customise_sources(). A field takes the credential of its name, or of its alias; in
    $CREDENTIALS_DIRECTORY, then /run/secrets, then the directory given; without one newline at the end. A credential
    that is not there is left to the other sources. Fields of other types are left to them too.

    settings: the class of the settings. directory: the folder to look into last.

    Raises, when it is called, what doors.read_credential raises, but for MissingSecretError.
    """

    def __init__(self, settings: type[BaseSettings], directory: str | os.PathLike[str] | None = None) -> None:
        super().__init__(settings)
        self._directory = directory

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The secret of a field, or None."""
        name = field.alias or field_name
        if not any(map(_secret, (*field.metadata, field.annotation))):
            return None, name, False
        try:
            return read_credential(name, directory=self._directory, strip_newline=True), name, False
        except MissingSecretError:
            return None, name, False

    def __call__(self) -> dict[str, Any]:
        """The secrets that are there, by name."""
        found = (self.get_field_value(field, name) for name, field in self.settings_cls.model_fields.items())
        return {name: secret for secret, name, _ in found if secret is not None}
