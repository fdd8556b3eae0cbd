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

/* The scratch: what the cipher writes, first L and the state, then subkey and
 * commitment, with the 15 bytes more that cryptography asks room for; then what
 * blocks.h has. */
#define OUTPUT (64 + 15)
#define WORK 80
#define INPUTS (WORK + 32)
#define SIZE (INPUTS + 64)
#define SUBKEY 32

static PyObject *update_into_name;

static bool encrypt_blocks(PyObject *encryptor, PyObject *input, PyObject *output) {
    if (input == NULL || output == NULL) return false;
    PyObject *done = PyObject_CallMethodObjArgs(encryptor, update_into_name, input, output, NULL);
    Py_XDECREF(done);
    return done != NULL;
}

static bool derive(uint8_t *scratch, PyObject *encryptor, const uint8_t *nonce) {
    char state[32] = {[16] = 'X', 'C', 'M', 'T'};
    memcpy(state + 20, nonce, 12);
    if (update_into_name == NULL) update_into_name = PyUnicode_InternFromString("update_into");
    if (update_into_name == NULL) return false;
    PyObject *first = PyBytes_FromStringAndSize(state, sizeof state); /* no secret */
    PyObject *output = PyMemoryView_FromMemory((char *)scratch, OUTPUT, PyBUF_WRITE), *second = NULL;
    bool done = encrypt_blocks(encryptor, first, output);
    if (done) {
        memcpy(scratch + WORK, scratch, 32);
        sm_xaes_inputs(scratch + WORK, nonce);
        second = PyMemoryView_FromMemory((char *)scratch + INPUTS, SIZE - INPUTS, PyBUF_READ);
        done = encrypt_blocks(encryptor, second, output);
    }
    Py_XDECREF(first);
    Py_XDECREF(second);
    Py_XDECREF(output);
    return done;
}

PyObject *xaes_derive(sm_slot **scratch, const uint8_t **commitment, PyObject *from, const uint8_t *nonce) {
    uint8_t *work;
    *scratch = scratch_take(&work, SIZE);
    if (*scratch == NULL || !derive(work, from, nonce)) return NULL;
    *commitment = work + SUBKEY;
    return PyMemoryView_FromMemory((char *)work, SUBKEY, PyBUF_READ);
}
