/* clearing.c: scrub(), wipe() and the steps of key wrap and unwrap, with the GIL held. */
#include "clearing.h"

#include "blocks.h"
#include "sources.h"
#include "wipe.h"

/* From here on the GIL is given up: zeroing as much takes 5 microseconds. */
#define LARGE 65536

PyObject *clearing_scrub(PyObject *module, PyObject *depth) {
    (void)module;
    size_t wanted = PyLong_AsSize_t(depth);
    if (wanted == (size_t)-1 && PyErr_Occurred()) return NULL;
    return PyLong_FromSize_t(sm_scrub(wanted));
}

PyObject *clearing_wipe(PyObject *module, PyObject *object) {
    (void)module;
    Py_buffer buffer;
    if (!target_get(object, &buffer, "the buffer")) return NULL;
    PyThreadState *state = buffer.len >= LARGE ? PyEval_SaveThread() : NULL;
    sm_wipe(buffer.buf, (size_t)buffer.len);
    if (state != NULL) PyEval_RestoreThread(state);
    PyBuffer_Release(&buffer);
    Py_RETURN_NONE;
}

#define ROUNDS 6

/* One step: a block of the scratch through the cipher. */
static bool step(PyObject *update_into, PyObject *block, PyObject *answer) {
    PyObject *written = PyObject_CallFunctionObjArgs(update_into, block, answer, NULL);
    Py_XDECREF(written);
    return written != NULL;
}

static bool steps(PyObject *cipher, uint8_t *work, size_t registers, bool wrapping) {
    PyObject *block = PyMemoryView_FromMemory((char *)work, 16, PyBUF_READ);
    PyObject *answer = PyMemoryView_FromMemory((char *)work + 16, 16 + 15, PyBUF_WRITE);
    PyObject *update_into = PyObject_GetAttrString(cipher, "update_into");
    bool done = block != NULL && answer != NULL && update_into != NULL;
    for (size_t at = 0, count = ROUNDS * registers; done && at < count; at++) {
        size_t number = wrapping ? at + 1 : count - at;
        size_t index = (number - 1) % registers + 1;
        if (wrapping) sm_wrap_load(work, index);
        else sm_unwrap_load(work, index, number);
        done = step(update_into, block, answer);
        if (done && wrapping) sm_wrap_store(work, index, number);
        else if (done) sm_unwrap_store(work, index);
    }
    Py_XDECREF(update_into);
    Py_XDECREF(answer);
    Py_XDECREF(block);
    return done;
}

static PyObject *run_steps(PyObject *const *args, Py_ssize_t count, bool wrapping) {
    Py_buffer work;
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "two arguments are taken: a cipher and its scratch");
        return NULL;
    }
    if (!target_get(args[1], &work, "the scratch")) return NULL;
    bool fits = work.len >= SM_WRAP_HEAD + 16 && work.len % 8 == 0;
    if (!fits) PyErr_SetString(PyExc_ValueError, "the scratch has no registers");
    bool done = fits && steps(args[0], work.buf, ((size_t)work.len - SM_WRAP_HEAD) / 8, wrapping);
    PyBuffer_Release(&work);
    if (!done) return NULL;
    Py_RETURN_NONE;
}

PyObject *clearing_wrap_steps(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    (void)module;
    return run_steps(args, count, true);
}

PyObject *clearing_unwrap_steps(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    (void)module;
    return run_steps(args, count, false);
}
