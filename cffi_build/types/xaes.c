/* xaes.c: the subkeys of XAES-256-GCM, in locked scratch.
 *
 * AES is cryptography's, block by block; what lies between two calls of it is in
 * core/crypto/blocks.c.  No bytecode runs between them, and the GIL is held, so that one
 * encryptor serves all threads.
 */
#include <string.h>

#include "blocks.h"
#include "ciphers.h"
#include "scratch.h"

/* The scratch as blocks.h has it, then subkey and commitment.  cryptography asks
 * for room of 15 bytes more than it writes: first that is where later blocks go. */
#define INPUTS 32
#define OUTPUTS (INPUTS + 64)
#define ROOM 15
#define SUBKEY 32

static PyObject *update_into_name;

static bool encrypt(PyObject *encryptor, PyObject *input, uint8_t *output, Py_ssize_t length) {
    if (update_into_name == NULL) update_into_name = PyUnicode_InternFromString("update_into");
    PyObject *target = update_into_name == NULL ? NULL : PyMemoryView_FromMemory((char *)output, length + ROOM, PyBUF_WRITE);
    if (target == NULL) return false;
    PyObject *done = PyObject_CallMethodObjArgs(encryptor, update_into_name, input, target, NULL);
    Py_DECREF(target);
    Py_XDECREF(done);
    return done != NULL;
}

static bool derive(uint8_t *work, PyObject *encryptor, const uint8_t *nonce) {
    char state[32] = {[16] = 'X', 'C', 'M', 'T'};
    memcpy(state + 20, nonce, 12);
    PyObject *first = PyBytes_FromStringAndSize(state, sizeof state); /* no secret */
    bool done = first != NULL && encrypt(encryptor, first, work, sizeof state);
    Py_XDECREF(first);
    if (!done) return false;
    sm_xaes_inputs(work, nonce);
    PyObject *second = PyMemoryView_FromMemory((char *)work + INPUTS, OUTPUTS - INPUTS, PyBUF_READ);
    done = second != NULL && encrypt(encryptor, second, work + OUTPUTS, OUTPUTS - INPUTS);
    Py_XDECREF(second);
    return done;
}

PyObject *xaes_derive(sm_slot **scratch, const uint8_t **commitment, PyObject *from, const uint8_t *nonce) {
    uint8_t *work;
    *scratch = scratch_take(&work, OUTPUTS + 64 + ROOM);
    if (*scratch == NULL || !derive(work, from, nonce)) return NULL;
    *commitment = work + OUTPUTS + SUBKEY;
    return PyMemoryView_FromMemory((char *)work + OUTPUTS, SUBKEY, PyBUF_READ);
}
