/* ciphers.h: authenticated ciphers over cryptography's, one C call a message. */
#ifndef SM_CIPHERS_H
#define SM_CIPHERS_H

#include "types.h"

/* How a cipher is made from a key, and its sizes in bytes. */
typedef struct {
    PyObject_HEAD
    PyObject *name;
    PyObject *aead;    /* callable: of a key, cryptography's object */
    PyObject *blocks;  /* callable: of a key, an encryptor of single blocks; NULL but for XAES */
    PyObject *refusal; /* the exception that says "not authentic" */
    Py_ssize_t key_size;
    Py_ssize_t nonce_size;
    Py_ssize_t tag;
    Py_ssize_t commitment; /* after the tag; 0: none */
} Cipher;

/* A key made ready for many messages. */
typedef struct {
    PyObject_HEAD
    PyObject *made; /* what aead, or for XAES blocks, gave; NULL once closed */
} Prepared;

extern PyTypeObject *Cipher_Type;
extern PyTypeObject *Prepared_Type;
PyTypeObject *cipher_type_make(void);
PyTypeObject *prepared_type_make(void);

#define CIPHER_MOST_NONCE 24 /* bytes; that of XAES */

/* Cleared after an operation: the deepest use of the stack is 10.3 KiB, the deepest residue 6.2 KiB. */
#define CIPHER_DEPTH 16384

/* -- message.c: the operations, as methods of Cipher -- */

PyObject *message_seal(Cipher *self, PyObject *const *args, Py_ssize_t count);
PyObject *message_seal_into(Cipher *self, PyObject *const *args, Py_ssize_t count);
PyObject *message_open(Cipher *self, PyObject *const *args, Py_ssize_t count);
PyObject *message_open_into(Cipher *self, PyObject *const *args, Py_ssize_t count);

/* -- prepared.c -- */

bool cipher_arguments(Py_ssize_t count, Py_ssize_t wanted);
/* Whether the key is a Prepared, or a SecureBytes of the cipher's size; false: raised. */
bool cipher_takes(Cipher *self, PyObject *key);
/* What cryptography makes of a key that cipher_takes found right;
 * a new reference, NULL: raised. */
PyObject *cipher_make(Cipher *self, PyObject *key);

/* -- xaes.c -- */

/* Derives the key of one message and the commitment to it into scratch, which the
 * caller returns; from is what cipher_make gave.  A view of the subkey, NULL: raised. */
PyObject *xaes_derive(sm_slot **scratch, const uint8_t **commitment, PyObject *from, const uint8_t *nonce);

#endif
