/* sources.c: the buffers that come as arguments. */
#include "sources.h"

/* The exception is made here and not by whoever catches it: no memory is a MemoryError. */
PyObject *raise_named(const char *name, const char *format, ...) {
    PyObject *module = PyImport_ImportModule("securemem.exceptions");
    PyObject *kind = module == NULL ? NULL : PyObject_GetAttrString(module, name);
    Py_XDECREF(module);
    if (kind == NULL) return NULL;
    va_list values;
    va_start(values, format);
    PyObject *text = PyUnicode_FromFormatV(format, values);
    va_end(values);
    PyObject *error = text == NULL ? NULL : PyObject_CallFunctionObjArgs(kind, text, NULL);
    if (error != NULL) PyErr_SetObject(kind, error);
    Py_XDECREF(text);
    Py_XDECREF(error);
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

PyObject *source_bytes(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    (void)module;
    const char *what = count == 2 ? PyUnicode_AsUTF8AndSize(args[1], NULL) : NULL;
    Py_buffer buffer;
    if (count != 2) PyErr_SetString(PyExc_TypeError, "two arguments are taken, a buffer and its name");
    if (what == NULL) return NULL;
    if (PyBytes_CheckExact(args[0])) return Py_NewRef(args[0]);
    if (!source_get(args[0], &buffer, what)) return NULL;
    PyObject *copy = PyBytes_FromStringAndSize(buffer.buf, buffer.len);
    PyBuffer_Release(&buffer);
    return copy;
}

Secret *secret_argument(PyObject *object, const char *what) {
    if (Py_TYPE(object) == Secret_Type) return (Secret *)object;
    PyObject *name = PyType_GetName(Py_TYPE(object));
    if (name == NULL) return NULL;
    PyErr_Format(PyExc_TypeError,
                 "%s must be a SecureBytes, not %U: SecureBytes.take() moves a bytearray into locked memory and wipes it%s",
                 what, name, PyUnicode_Check(object) ? "; encode text into one first" : "");
    Py_DECREF(name);
    return NULL;
}
