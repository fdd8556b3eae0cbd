/* kept.c: what cryptography made of a key, kept with the key for the next message. */
#include "kept.h"

#include "wipe.h"

#define SCRUB_DEPTH 16384 /* a cipher that is dropped leaves its key on dead stack no deeper */

struct kept {
    Secret *key; /* which refers to this, and goes not before */
    PyObject *user;
    PyObject *made;
    uint64_t generation; /* of the process that it was made in */
    struct kept *newer, *older;
};

static struct kept *newest, *oldest;
static size_t count, most;
static uint64_t writings = 1; /* how often any key was opened for writing */
static bool (*all_locked)(void);
static PyObject *refusal;

bool kept_is_on(void) {
    return most > 0;
}

size_t kept_count(void) {
    return count;
}

static void unhook(struct kept *one) {
    *(one->newer == NULL ? &newest : &one->newer->older) = one->older;
    *(one->older == NULL ? &oldest : &one->older->newer) = one->newer;
}

static void link_newest(struct kept *one) {
    one->newer = NULL;
    one->older = newest;
    *(newest == NULL ? &oldest : &newest->newer) = one;
    newest = one;
}

/* The list is whole again before anything of Python's is let go, as that may run anything. */
static void drop(struct kept *one) {
    PyObject *kind, *value, *traceback;
    PyErr_Fetch(&kind, &value, &traceback);
    unhook(one);
    count--;
    one->key->kept = NULL;
    Py_DECREF(one->made);
    Py_DECREF(one->user);
    PyMem_Free(one);
    sm_scrub(SCRUB_DEPTH);
    PyErr_Restore(kind, value, traceback);
}

void kept_forget(Secret *key) {
    if (key->kept != NULL) drop(key->kept);
}

void kept_note_writing(Secret *key) {
    writings++;
    kept_forget(key);
}

static bool is_wiped(Secret *key) {
    return key->slot == NULL || sm_secret_state(key->slot) != SM_OK;
}

void kept_forget_wiped(void) {
    for (struct kept *one = newest; one != NULL;) {
        struct kept *next = one->older;
        bool wiped = is_wiped(one->key);
        if (wiped) drop(one);
        one = wiped ? newest : next; /* dropping may have changed all of the list */
    }
}

void kept_forget_all(void) {
    while (newest != NULL) drop(newest);
}

void kept_configure(size_t new_most, bool (*is_locked)(void), PyObject *refuse) {
    most = new_most;
    all_locked = is_locked;
    PyObject *former = refusal;
    refusal = is_locked == NULL ? NULL : Py_XNewRef(refuse);
    while (count > most) drop(oldest);
    Py_XDECREF(former);
}

bool kept_admits(void) {
    if (all_locked == NULL || all_locked()) return true;
    kept_forget_all(); /* which may be what there is no room for */
    if (refusal == NULL || all_locked()) return true;
    PyObject *done = PyObject_CallFunctionObjArgs(refusal, NULL);
    Py_XDECREF(done);
    return done != NULL;
}

PyObject *kept_find(Secret *key, PyObject *user) {
    struct kept *one = key->kept;
    if (one == NULL) return NULL;
    if (one->user != user || one->generation != sm_fork_generation()) {
        drop(one);
        return NULL;
    }
    if (one != newest) {
        unhook(one);
        link_newest(one);
    }
    return Py_NewRef(one->made);
}

uint64_t kept_begin(Secret *key) {
    return sm_secret_is_viewed(key->slot, true) ? 0 : writings;
}

void kept_add(Secret *key, PyObject *user, PyObject *made, uint64_t begun) {
    if (most == 0 || begun != writings || is_wiped(key)) return;
    kept_forget(key); /* another thread was faster */
    struct kept *one = PyMem_Malloc(sizeof *one);
    if (one == NULL) return;
    while (count >= most && oldest != NULL) drop(oldest);
    *one = (struct kept){.key = key, .user = Py_NewRef(user), .made = Py_NewRef(made), .generation = sm_fork_generation()};
    link_newest(one);
    key->kept = one;
    count++;
}
