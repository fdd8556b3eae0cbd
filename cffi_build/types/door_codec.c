/* door_codec.c: hex and base64, from and into slots. */
#include "door_types.h"

#include "codec.h"

/* A source's bytes and a new secret's, both open. */
struct pair {
    Py_buffer from;
    Secret *made;
    uint8_t *to;
};

static bool pair_take(struct pair *pair, PyObject *source) {
    pair->made = NULL;
    pair->to = NULL;
    return source_get(source, &pair->from, "the source");
}

static bool pair_make(struct pair *pair, PyObject *source, PyObject *arena, size_t length) {
    sm_arena *chosen = door_arena(arena, source);
    if (chosen == NULL) return false;
    pair->made = secret_new_open(&pair->to, chosen, (Py_ssize_t)length);
    return pair->made != NULL;
}

/* The secret, where all went well and nothing was raised; NULL, and raised, elsewhere. */
static PyObject *pair_end(struct pair *pair, enum sm_door door, size_t detail) {
    PyBuffer_Release(&pair->from);
    if (pair->made != NULL) sm_secret_close(pair->made->slot, true);
    door_scrub();
    if (pair->made != NULL && door == SM_DOOR_OK) return (PyObject *)pair->made;
    Py_XDECREF((PyObject *)pair->made);
    return door == SM_DOOR_OK ? NULL : door_raise(door, NULL, detail);
}

PyObject *door_decode_hex(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *source, *arena;
    struct pair pair;
    if (!PyArg_ParseTuple(args, "OO", &source, &arena) || !pair_take(&pair, source)) return NULL;
    size_t length = (size_t)pair.from.len;
    enum sm_door door = length == 0 ? SM_DOOR_EMPTY : length % 2 == 1 ? SM_DOOR_ODD_HEX : SM_DOOR_OK;
    if (door == SM_DOOR_OK && pair_make(&pair, source, arena, length / 2)) {
        door = sm_hex_decode(pair.to, pair.from.buf, length) ? SM_DOOR_OK : SM_DOOR_NOT_HEX;
    }
    return pair_end(&pair, door, length);
}

PyObject *door_encode_hex(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *source, *arena;
    struct pair pair;
    if (!PyArg_ParseTuple(args, "OO", &source, &arena) || !pair_take(&pair, source)) return NULL;
    size_t length = (size_t)pair.from.len;
    enum sm_door door = length == 0 ? SM_DOOR_EMPTY : SM_DOOR_OK;
    if (length > 0 && pair_make(&pair, source, arena, 2 * length)) sm_hex_encode(pair.to, pair.from.buf, length);
    return pair_end(&pair, door, length);
}

/* The length without padding. */
static enum sm_door check_padding(size_t *bare, const uint8_t *text, size_t length, bool padded) {
    size_t padding = sm_base64_padding(text, length);
    *bare = length - padding;
    if (length == 0) return SM_DOOR_EMPTY;
    if (padded) return length % 4 == 0 ? SM_DOOR_OK : SM_DOOR_BAD_PADDING;
    return padding == 0 && length % 4 != 1 ? SM_DOOR_OK : SM_DOOR_BAD_PADDING;
}

PyObject *door_decode_base64(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *source, *arena;
    int url, padded;
    size_t bare;
    struct pair pair;
    if (!PyArg_ParseTuple(args, "OOpp", &source, &arena, &url, &padded) || !pair_take(&pair, source)) return NULL;
    enum sm_door door = check_padding(&bare, pair.from.buf, (size_t)pair.from.len, padded);
    if (door == SM_DOOR_OK && pair_make(&pair, source, arena, bare * 3 / 4)) {
        door = sm_base64_decode(pair.to, pair.from.buf, bare, url) ? SM_DOOR_OK : SM_DOOR_NOT_BASE64;
    }
    return pair_end(&pair, door, (size_t)pair.from.len);
}

PyObject *door_encode_base64(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *source, *arena;
    int url, padded;
    struct pair pair;
    if (!PyArg_ParseTuple(args, "OOpp", &source, &arena, &url, &padded) || !pair_take(&pair, source)) return NULL;
    size_t length = (size_t)pair.from.len;
    enum sm_door door = length == 0 ? SM_DOOR_EMPTY : SM_DOOR_OK;
    if (length > 0 && pair_make(&pair, source, arena, sm_base64_length(length, padded))) {
        sm_base64_encode(pair.to, pair.from.buf, length, url, padded);
    }
    return pair_end(&pair, door, length);
}
