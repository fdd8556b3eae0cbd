/* sources.c: the buffers that come as arguments. */
#include "sources.h"

PyObject *raise_named(const char *name, const char *format, ...) {
    PyObject *module = PyImport_ImportModule("securemem.exceptions");
    PyObject *kind = module == NULL ? NULL : PyObject_GetAttrString(module, name);
    Py_XDECREF(module);
    if (kind == NULL) return NULL;
    va_list values;
    va_start(values, format);
    PyErr_FormatV(kind, format, values);
    va_end(values);
    Py_DECREF(kind);
    return NULL;
}

static void raise_no_buffer(PyObject *object, const char *what) {
    if (PyUnicode_Check(object)) {
        PyErr_Format(PyExc_TypeError, "%s must be bytes-like, not str: encode it first, for example with .encode()", what);
        return;
    }
    PyErr_Format(PyExc_TypeError, "%s must be bytes-like, such as bytes, bytearray or a SecureBytes, not %R", what,
                 (PyObject *)Py_TYPE(object));
}

bool source_get(PyObject *object, Py_buffer *view, const char *what) {
    if (!PyObject_CheckBuffer(object)) {
        raise_no_buffer(object, what);
        return false;
    }
    if (PyObject_GetBuffer(object, view, PyBUF_SIMPLE) == 0) return true;
    if (Py_TYPE(object) == Secret_Type || !PyErr_ExceptionMatches(PyExc_BufferError)) return false;
    PyErr_Clear();
    raise_named("SourceError", "%s must be contiguous: copy it into bytes or a bytearray first", what);
    return false;
}

bool target_get(PyObject *object, Py_buffer *view, const char *what) {
    if (!PyObject_CheckBuffer(object)) {
        raise_no_buffer(object, what);
        return false;
    }
    if (PyObject_GetBuffer(object, view, PyBUF_WRITABLE) == 0) return true;
    if (Py_TYPE(object) == Secret_Type || !PyErr_ExceptionMatches(PyExc_BufferError)) return false;
    PyErr_Clear();
    if (!source_get(object, view, what)) return false;
    PyBuffer_Release(view);
    PyErr_Format(PyExc_TypeError, "%s must be writable, such as a SecureBytes or a bytearray", what);
    return false;
}

Secret *secret_argument(PyObject *object, const char *what) {
    if (Py_TYPE(object) == Secret_Type) return (Secret *)object;
    PyErr_Format(PyExc_TypeError,
                 "%s must be a SecureBytes, not %s: SecureBytes.take() moves a bytearray into locked memory and wipes it",
                 what, PyUnicode_Check(object) ? "str" : "what was given");
    return NULL;
}
