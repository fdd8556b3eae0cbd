"""Web apps that real servers run in the tests, each with a key in locked memory and a control in bytes.

The folder of $CREDENTIALS_DIRECTORY has the files key, control and password.
"""

from __future__ import annotations

import hmac
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from securemem import Arena
from securemem.doors import read_credential

if TYPE_CHECKING:
    from securemem import SecureBytes

CONTROL = Path(os.environ["CREDENTIALS_DIRECTORY"], "control").read_bytes()


def secrets() -> tuple[SecureBytes, SecureBytes]:
    """The key, and the password, in an arena that forked workers inherit."""
    arena = Arena(fork="inherit")
    return read_credential("key", arena=arena), read_credential("password", arena=arena)


def make_flask() -> Any:
    """An app that signs, and has sessions under the key; gunicorn --preload makes it before its workers."""
    from flask import Flask, abort, request, session

    from securemem.adapters.flask import SecretSessions

    key, password = secrets()
    app = Flask("served")
    app.session_interface = SecretSessions(key)

    def sign() -> dict[str, object]:
        return {"pid": os.getpid(), "code": hmac.digest(key, request.get_data(), "sha256").hex()}

    def log_in() -> dict[str, object]:
        if not hmac.compare_digest(password, request.get_data()):
            abort(403)
        session["visits"] = 0
        return {}

    def visit() -> dict[str, object]:
        session["visits"] = session.get("visits", 0) + 1
        return {"pid": os.getpid(), "visits": session["visits"], "locked": key.protection.locked}

    app.add_url_rule("/sign", view_func=sign, methods=["POST"])
    app.add_url_rule("/login", view_func=log_in, methods=["POST"])
    app.add_url_rule("/", view_func=visit)
    return app


def make_fastapi() -> Any:
    """An app that signs, and takes passwords into locked memory as fields of a model."""
    from fastapi import Body, FastAPI, HTTPException

    from securemem.adapters.pydantic import SecretModel, SecureSecret

    key, password = secrets()
    app = FastAPI()

    class Login(SecretModel):
        user: str
        password: SecureSecret

    async def sign(text: Any = Body()) -> dict[str, object]:  # noqa: B008 - as FastAPI has it
        return {"pid": os.getpid(), "code": hmac.digest(key, str(text).encode(), "sha256").hex()}

    def log_in(login: Any) -> dict[str, object]:
        if login.password != password:
            raise HTTPException(403)
        return {"user": login.user, "given": repr(login)}

    log_in.__annotations__["login"] = Login  # it is made in here
    app.post("/sign")(sign)
    app.post("/login")(log_in)
    return app
