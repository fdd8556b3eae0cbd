/* memoryviews.c: the release of a memoryview, by the function behind its method. */
#include "memoryviews.h"

static PyCFunction release;

int memoryviews_start(void) {
    static char nothing[1];
    PyObject *view = PyMemoryView_FromMemory(nothing, sizeof nothing, PyBUF_READ);
    PyObject *bound = view == NULL ? NULL : PyObject_GetAttrString(view, "release");
    if (bound != NULL) release = PyCFunction_GetFunction(bound);
    Py_XDECREF(bound);
    Py_XDECREF(view);
    return release == NULL ? -1 : 0;
}

bool view_release(PyObject *view) {
    PyObject *done = release(view, NULL);
    Py_XDECREF(done);
    return done != NULL;
}
