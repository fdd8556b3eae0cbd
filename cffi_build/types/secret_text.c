/* secret_text.c: what a SecureBytes shows of itself as text, which is never
 * its bytes.
 *
 * repr() is for logs and debuggers, and silent.  str() and format() are how a
 * secret ends up in a URL, a header or a password by mistake, as
 * "<SecureBytes: 20 bytes>": they give that text with a warning.  So does a
 * comparison with a str, which is always false.  The warning runs Python code:
 * no window is open then, and no lock of ours is held.
 */
#include "types.h"

static const char AS_TEXT[] =
    "a SecureBytes was turned into text: this gives its description, not its bytes. Pass the object itself to what "
    "takes bytes, or read it with `with secret.reveal() as view`. repr() gives the description without this warning";

static const char AGAINST_TEXT[] =
    "a SecureBytes was compared with a str, and equals none: compare it with bytes, or with the str's .encode()";

PyObject *secret_represent(Secret *self) {
    switch (secret_state(self)) {
        case SM_OK: return PyUnicode_FromFormat("<SecureBytes: %zd bytes>", self->length);
        case SM_FORKED: return PyUnicode_FromString("<SecureBytes: left in the parent process>");
        default: return PyUnicode_FromString("<SecureBytes: wiped>");
    }
}

PyObject *secret_as_text(Secret *self) {
    return warn_text(AS_TEXT) == 0 ? secret_represent(self) : NULL;
}

PyObject *secret_format(Secret *self, PyObject *specification) {
    if (!PyUnicode_Check(specification)) {
        PyErr_SetString(PyExc_TypeError, "a format specification is a str");
        return NULL;
    }
    PyObject *text = secret_as_text(self);
    if (text == NULL) return NULL;
    PyObject *result = PyObject_Format(text, specification);
    Py_DECREF(text);
    return result;
}

int secret_warn_comparison(void) {
    return warn_text(AGAINST_TEXT);
}
