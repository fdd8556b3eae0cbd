/* message.c: one message encrypted or decrypted, from its arguments to its end.
 *
 * cryptography's object is built from the key where that lies, used once and
 * dropped, all inside one C call: no bytecode runs in between, and what must
 * happen at the end does, whatever was raised.  The views that it is given are
 * of plain memory, over buffers that are held here, so that none outlives them.
 */
#include <string.h>

#include "ciphers.h"
#include "ending.h"
#include "kept.h"
#include "memoryviews.h"
#include "os.h"
#include "scratch.h"
#include "sources.h"
#include "wipe.h"

/* Bytes; what runs with the GIL held in any case, and for so short a time. */
#define SHORT 4096

#define TOO_LONG "data and associated data may have up to 2**31 - 1 bytes each: encrypt in pieces"
#define NOT_DECRYPTED "the ciphertext could not be decrypted with this key and associated data"

struct message {
    Cipher *cipher;
    PyObject *key; /* borrowed: a SecureBytes or a Prepared */
    uint8_t nonce[CIPHER_MOST_NONCE];
    bool random;   /* the nonce is not the caller's: it stands before the ciphertext */
    bool refused;  /* found not to be authentic before cryptography was asked */
    Py_buffer data, aad, target;
    Secret *fresh;      /* open for writing */
    sm_slot *open_key;  /* the key's, open for reading */
    uint8_t *out;  /* what is wiped on failure */
    size_t out_length;
    sm_slot *scratch;
    const uint8_t *commitment;
    PyObject *views[5]; /* subkey, nonce, data, aad, out: what cryptography is given */
};
enum { SUBKEY, NONCE, DATA, AAD, OUT, VIEWS };

static PyObject *encrypt_name, *decrypt_name;

static PyObject *view_of(PyObject *object, const Py_buffer *buffer) {
    if (PyBytes_CheckExact(object)) return Py_NewRef(object);
    return PyMemoryView_FromMemory(buffer->len > 0 ? buffer->buf : "", buffer->len, PyBUF_READ);
}

/* Bytes are read where they lie: the caller holds them, and they never move. */
static bool get_bytes(PyObject *object, Py_buffer *buffer, const char *what) {
    if (!PyBytes_CheckExact(object)) return source_get(object, buffer, what);
    buffer->buf = PyBytes_AsString(object);
    buffer->len = PyBytes_Size(object);
    return true;
}

/* Arguments: key, _, nonce, data, aad.  A nonce that is not given, as bytes, is random. */
static bool begin(struct message *m, PyObject *const *args) {
    if (encrypt_name == NULL) encrypt_name = PyUnicode_InternFromString("encrypt_into");
    if (decrypt_name == NULL) decrypt_name = PyUnicode_InternFromString("decrypt_into");
    if (encrypt_name == NULL || decrypt_name == NULL || !cipher_takes(m->cipher, args[0]) || !kept_admits()) return false;
    m->key = args[0];
    m->random = !PyBytes_Check(args[2]);
    if (!m->random) {
        char *given;
        Py_ssize_t length;
        if (PyBytes_AsStringAndSize(args[2], &given, &length) != 0) return false;
        if (length != m->cipher->nonce_size) {
            raise_named("SizeError", "the nonce has %zd bytes: %U takes %zd", length, m->cipher->name, m->cipher->nonce_size);
            return false;
        }
        memcpy(m->nonce, given, (size_t)length);
    }
    if (!get_bytes(args[3], &m->data, "data") || !get_bytes(args[4], &m->aad, "aad")) return false;
    if (m->data.len <= INT32_MAX && m->aad.len <= INT32_MAX) return true;
    raise_named("SizeError", TOO_LONG);
    return false;
}

/* Takes one of the key's messages, where they are counted: a step that is one for all threads. */
static bool take_ticket(const struct message *m, PyObject *tickets) {
    if (!m->random || tickets == Py_None) return true;
    PyObject *ticket = PyIter_Check(tickets) ? PyIter_Next(tickets) : NULL;
    Py_XDECREF(ticket);
    if (ticket == NULL && !PyErr_Occurred()) {
        raise_named("KeyExhaustedError",
                    "this key encrypted as many messages as random nonces of %U allow: use a new key, or "
                    "\"KC-XAES-256-GCM\", whose nonces do not run out",
                    m->cipher->name);
    }
    return ticket != NULL;
}

/* Opens the key for the whole of a short message.  Each shutting has the processor forget where pages lie, and what
 * runs next is several times slower; shut together with what was decrypted, the key costs that only once. */
static bool open_key(struct message *m) {
    uint8_t *data;
    if (Py_TYPE(m->key) != Secret_Type || m->data.len > SHORT) return true;
    sm_slot *slot = ((Secret *)m->key)->slot;
    enum sm_status status = slot == NULL ? SM_WIPED : sm_secret_open(slot, &data, false);
    if (status != SM_OK) return raise_status(status) != NULL;
    m->open_key = slot;
    return true;
}

/* Makes cryptography's object for this message; NULL: raised, or found not to be authentic. */
static PyObject *make(struct message *m, const uint8_t *claimed) {
    Cipher *cipher = m->cipher;
    if (!open_key(m)) return NULL;
    PyObject *made = cipher_make(cipher, m->key);
    if (made == NULL || cipher->blocks == NULL) return made;
    m->views[SUBKEY] = xaes_derive(&m->scratch, &m->commitment, made, m->nonce);
    Py_DECREF(made);
    if (m->views[SUBKEY] == NULL) return NULL;
    m->refused = claimed != NULL && !sm_equal(claimed, m->commitment, (size_t)cipher->commitment);
    return m->refused ? NULL : PyObject_CallFunctionObjArgs(cipher->aead, m->views[SUBKEY], NULL);
}

/* Calls cryptography: true, and all of the output is there.  claimed: the
 * commitment in a ciphertext, which is checked before anything is decrypted. */
static bool call(struct message *m, PyObject *const *args, PyObject *name, const uint8_t *claimed) {
    Py_ssize_t skipped = m->cipher->blocks == NULL ? 0 : m->cipher->nonce_size / 2; /* made a subkey of */
    m->views[NONCE] = PyBytes_FromStringAndSize((char *)m->nonce + skipped, m->cipher->nonce_size - skipped);
    m->views[AAD] = view_of(args[4], &m->aad);
    for (size_t i = NONCE; i < VIEWS; i++) {
        if (m->views[i] == NULL) return false;
    }
    PyObject *made = make(m, claimed);
    if (made == NULL) return false;
    PyObject *done =
        PyObject_CallMethodObjArgs(made, name, m->views[NONCE], m->views[DATA], m->views[AAD], m->views[OUT], NULL);
    Py_DECREF(made);
    Py_XDECREF(done);
    return done != NULL;
}

/* A view of plain memory must not outlive what it shows. */
static void drop(PyObject *view) {
    if (view == NULL) return;
    if (Py_REFCNT(view) > 1 && PyMemoryView_Check(view) && !view_release(view)) {
        sm_os_abort("cryptography kept the view of a buffer that ends now");
    }
    Py_DECREF(view);
}

/* Ends the operation; answers `done`, and if it is false an exception is set. */
static bool end(struct message *m, bool done) {
    bool too_long = false;
    if (!done && !m->refused) {
        ending_let_go();
        m->refused = PyErr_ExceptionMatches(m->cipher->refusal);
        too_long = PyErr_ExceptionMatches(PyExc_OverflowError);
        if (m->refused || too_long) PyErr_Clear();
    }
    PyObject *kind, *value, *traceback;
    PyErr_Fetch(&kind, &value, &traceback);
    for (size_t i = 0; i < VIEWS; i++) drop(m->views[i]);
    if (m->fresh != NULL) {
        if (!done) (void)sm_secret_wipe(m->fresh->slot); /* by the closing */
    } else if (!done && m->out != NULL) {
        sm_wipe(m->out, m->out_length);
    }
    if (m->data.obj != NULL) PyBuffer_Release(&m->data);
    if (m->aad.obj != NULL) PyBuffer_Release(&m->aad);
    if (m->target.obj != NULL) PyBuffer_Release(&m->target);
    if (m->scratch != NULL) scratch_return(m->scratch);
    sm_scrub(CIPHER_DEPTH);
    if (m->open_key != NULL) sm_secret_close(m->open_key, false);
    if (m->fresh != NULL) {
        sm_secret_close(m->fresh->slot, true);
        if (!done) Py_CLEAR(m->fresh);
    }
    PyErr_Restore(kind, value, traceback);
    if (done) return true;
    if (m->refused) raise_named("DecryptionError", NOT_DECRYPTED);
    if (too_long) raise_named("SizeError", TOO_LONG);
    return false;
}

/* -- encryption -- */

static bool seal_to(struct message *m, PyObject *const *args, uint8_t *to, const char *head, Py_ssize_t head_length) {
    Cipher *cipher = m->cipher;
    if (!take_ticket(m, args[2])) return false;
    memcpy(to, head, (size_t)head_length);
    to += head_length;
    if (m->random) {
        enum sm_status status = sm_random(m->nonce, (size_t)cipher->nonce_size);
        if (status != SM_OK) return raise_status(status) != NULL;
        memcpy(to, m->nonce, (size_t)cipher->nonce_size);
        to += cipher->nonce_size;
    }
    m->views[DATA] = view_of(args[3], &m->data);
    m->views[OUT] = PyMemoryView_FromMemory((char *)to, m->data.len + cipher->tag, PyBUF_WRITE);
    if (!call(m, args, encrypt_name, NULL)) return false;
    if (cipher->commitment > 0) memcpy(to + m->data.len + cipher->tag, m->commitment, (size_t)cipher->commitment);
    return true;
}

static Py_ssize_t sealed_size(const struct message *m, Py_ssize_t head_length) {
    const Cipher *cipher = m->cipher;
    return head_length + (m->random ? cipher->nonce_size : 0) + m->data.len + cipher->tag + cipher->commitment;
}

PyObject *message_seal(Cipher *self, PyObject *const *args, Py_ssize_t count) {
    struct message m = {.cipher = self};
    char *head;
    Py_ssize_t head_length;
    if (!cipher_arguments(count, 5) || PyBytes_AsStringAndSize(args[1], &head, &head_length) != 0) return NULL;
    PyObject *result = begin(&m, args) ? PyBytes_FromStringAndSize(NULL, sealed_size(&m, head_length)) : NULL;
    bool done = result != NULL && seal_to(&m, args, (uint8_t *)PyBytes_AsString(result), head, head_length);
    if (!end(&m, done)) Py_CLEAR(result);
    return result;
}

/* The buffer that is written to, which must have exactly that size. */
static bool get_target(struct message *m, PyObject *object, Py_ssize_t size) {
    if (!target_get(object, &m->target, "out")) return false;
    if (m->target.len != size) {
        raise_named("SizeError", "out has %zd bytes: exactly %zd will be written", m->target.len, size);
        return false;
    }
    m->out = m->target.buf;
    m->out_length = (size_t)size;
    return true;
}

PyObject *message_seal_into(Cipher *self, PyObject *const *args, Py_ssize_t count) {
    struct message m = {.cipher = self};
    char *head;
    Py_ssize_t head_length;
    if (!cipher_arguments(count, 6) || PyBytes_AsStringAndSize(args[1], &head, &head_length) != 0) return NULL;
    bool done = begin(&m, args) && get_target(&m, args[5], sealed_size(&m, head_length)) &&
                seal_to(&m, args, m.out, head, head_length);
    if (!end(&m, done)) return NULL;
    Py_RETURN_NONE;
}

/* -- decryption -- */

/* Where the ciphertext begins, behind head and nonce; -1: too short for any plaintext, or raised. */
static Py_ssize_t sealed_start(struct message *m, PyObject *skip) {
    Py_ssize_t start = PyLong_AsSsize_t(skip);
    if (start == -1 && PyErr_Occurred()) return -1;
    if (start < 0) start = PY_SSIZE_T_MAX / 2;
    const Cipher *cipher = m->cipher;
    Py_ssize_t end_of_nonce = start + (m->random ? cipher->nonce_size : 0);
    m->refused = m->data.len - end_of_nonce < cipher->tag + cipher->commitment;
    if (m->refused) return -1;
    if (m->random) memcpy(m->nonce, (const uint8_t *)m->data.buf + start, (size_t)cipher->nonce_size);
    return end_of_nonce;
}

static bool open_to(struct message *m, PyObject *const *args, Py_ssize_t start, uint8_t *to) {
    Cipher *cipher = m->cipher;
    char *sealed = (char *)m->data.buf + start;
    Py_ssize_t length = m->data.len - start - cipher->commitment;
    m->views[DATA] = PyMemoryView_FromMemory(sealed, length, PyBUF_READ);
    m->views[OUT] = PyMemoryView_FromMemory((char *)to, length - cipher->tag, PyBUF_WRITE);
    return call(m, args, decrypt_name, (uint8_t *)sealed + length);
}

static Py_ssize_t plaintext_size(const struct message *m, Py_ssize_t start) {
    return m->data.len - start - m->cipher->tag - m->cipher->commitment;
}

PyObject *message_open(Cipher *self, PyObject *const *args, Py_ssize_t count) {
    struct message m = {.cipher = self};
    if (!cipher_arguments(count, 6)) return NULL;
    sm_arena *arena = secret_arena_of(args[5]);
    Py_ssize_t start = arena != NULL && begin(&m, args) ? sealed_start(&m, args[1]) : -1;
    Py_ssize_t size = start < 0 ? -1 : plaintext_size(&m, start);
    uint8_t empty, *out = &empty;
    if (size > 0) m.fresh = secret_new_open(&out, arena, size);
    bool done = (size == 0 || m.fresh != NULL) && open_to(&m, args, start, out);
    if (!end(&m, done)) return NULL;
    if (size > 0) return (PyObject *)m.fresh;
    return raise_named("SizeError", "the plaintext is empty and no SecureBytes: use decrypt_into() with an empty buffer");
}

PyObject *message_open_into(Cipher *self, PyObject *const *args, Py_ssize_t count) {
    struct message m = {.cipher = self};
    if (!cipher_arguments(count, 6)) return NULL;
    Py_ssize_t start = begin(&m, args) ? sealed_start(&m, args[1]) : -1;
    bool done = start >= 0 && get_target(&m, args[5], plaintext_size(&m, start)) && open_to(&m, args, start, m.out);
    if (!end(&m, done)) return NULL;
    Py_RETURN_NONE;
}
