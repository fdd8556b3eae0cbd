"""A web app whose session key and password stay in locked memory.

    CREDENTIALS_DIRECTORY=/etc/app flask --app examples/flask_app.py:make_app run

The folder has two files: session-key (32 random bytes or more) and password. A visitor who posts the password to
/login has a session; Flask signs its cookie under the locked key.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from flask import Flask, abort, redirect, request, session

from securemem.adapters.flask import SecretSessions
from securemem.doors import read_credential

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue


def make_app() -> Flask:
    """Read the secrets in the worker that uses them, and make the app."""
    password = read_credential("password", strip_newline=True)
    app = Flask(__name__)
    app.session_interface = SecretSessions(read_credential("session-key"))

    @app.post("/login")
    def login() -> ResponseReturnValue:
        """Begin a session. Flask has what was typed in ordinary memory; what it is compared with is not there."""
        if not hmac.compare_digest(password, request.form.get("password", "").encode()):
            abort(403)
        session["visits"] = 0
        return redirect("/")

    @app.get("/")
    def home() -> str:
        """Count the visits."""
        if "visits" not in session:
            abort(401)
        session["visits"] += 1
        return f"visit {session['visits']}"

    return app
