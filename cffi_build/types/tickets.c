/* tickets.c: blocks of tickets that a fork ends, and counts that it shares. */
#include "tickets.h"

typedef struct {
    PyObject_HEAD
    uint64_t left;
    uint64_t generation; /* of the process that may take them */
    PyObject *counts;    /* shared counts, of which further blocks are drawn; or NULL */
    uint64_t *count;     /* the one that is drawn from */
    uint64_t limit;
    Py_buffer buffer;
} Tickets;

PyTypeObject *Tickets_Type;

/* Between least and most of what is left of the limit, as one step for all processes; 0: there is less left. */
static uint64_t take(uint64_t *count, uint64_t floor, uint64_t least, uint64_t most, uint64_t limit, uint64_t *total) {
    uint64_t seen = __atomic_load_n(count, __ATOMIC_RELAXED);
    for (;;) {
        uint64_t drawn = seen < floor ? floor : seen;
        uint64_t left = drawn < limit ? limit - drawn : 0;
        uint64_t taken = left < least ? 0 : (left < most ? left : most);
        *total = drawn + taken;
        if (__atomic_compare_exchange_n(count, &seen, drawn + taken, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
            return taken;
        }
    }
}

static uint64_t *count_in(const Py_buffer *buffer, Py_ssize_t index) {
    Py_ssize_t room = buffer->len / (Py_ssize_t)sizeof(uint64_t);
    if (index < 0 || index >= room) {
        PyErr_SetString(PyExc_IndexError, "there is no such count");
        return NULL;
    }
    return (uint64_t *)buffer->buf + index;
}

static bool read_number(uint64_t *out, PyObject *number) {
    unsigned long long value = PyLong_AsUnsignedLongLong(number);
    *out = value;
    return value != (unsigned long long)-1 || !PyErr_Occurred();
}

PyObject *tickets_take_shared(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    (void)module;
    if (count != 6) return PyErr_Format(PyExc_TypeError, "take_shared() takes 6 arguments");
    Py_ssize_t index = PyLong_AsSsize_t(args[1]);
    uint64_t floor, least, most, limit, total = 0, taken = 0;
    if (index == -1 && PyErr_Occurred()) return NULL;
    if (!read_number(&floor, args[2]) || !read_number(&least, args[3])) return NULL;
    if (!read_number(&most, args[4]) || !read_number(&limit, args[5])) return NULL;
    Py_buffer buffer;
    if (PyObject_GetBuffer(args[0], &buffer, PyBUF_WRITABLE) != 0) return NULL;
    uint64_t *place = count_in(&buffer, index);
    if (place != NULL) taken = take(place, floor, least, most, limit, &total);
    PyBuffer_Release(&buffer);
    return place == NULL ? NULL : Py_BuildValue("KK", (unsigned long long)taken, (unsigned long long)total);
}

static int initialise(Tickets *self, PyObject *args, PyObject *names) {
    static char *words[] = {"left", "counts", "index", "limit", NULL};
    unsigned long long left, limit = 0;
    PyObject *counts = Py_None;
    Py_ssize_t index = 0;
    if (!PyArg_ParseTupleAndKeywords(args, names, "K|OnK", words, &left, &counts, &index, &limit)) return -1;
    if (self->counts != NULL || self->generation != 0) {
        PyErr_SetString(PyExc_TypeError, "a Tickets is initialised once");
        return -1;
    }
    if (counts != Py_None) {
        if (PyObject_GetBuffer(counts, &self->buffer, PyBUF_WRITABLE) != 0) return -1;
        self->counts = Py_NewRef(counts);
        self->count = count_in(&self->buffer, index);
        if (self->count == NULL) return -1;
    }
    self->left = left;
    self->limit = limit;
    self->generation = sm_fork_generation();
    return 0;
}

static void dealloc(Tickets *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    if (self->counts != NULL) PyBuffer_Release(&self->buffer);
    Py_CLEAR(self->counts);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static uint64_t left_here(const Tickets *self) {
    return self->generation == sm_fork_generation() ? self->left : 0;
}

/* Blocks grow with use, to at most one of 2^16 parts of the limit: no more is lost with a process than was used. */
static uint64_t draw(Tickets *self) {
    uint64_t drawn = __atomic_load_n(self->count, __ATOMIC_RELAXED), part = self->limit >> 16, total;
    uint64_t most = drawn < part ? drawn : part;
    return take(self->count, 0, 1, most == 0 ? 1 : most, self->limit, &total);
}

/* With the GIL all the while: one step for all threads. */
static PyObject *next(Tickets *self) {
    uint64_t left = left_here(self);
    if (left == 0 && self->count != NULL) left = draw(self);
    self->generation = sm_fork_generation();
    self->left = left == 0 ? 0 : left - 1;
    return left == 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *length_hint(Tickets *self, PyObject *ignored) {
    (void)ignored;
    uint64_t left = left_here(self);
    if (self->count != NULL) {
        uint64_t drawn = __atomic_load_n(self->count, __ATOMIC_RELAXED);
        left += drawn < self->limit ? self->limit - drawn : 0;
    }
    return PyLong_FromUnsignedLongLong(left);
}

static PyMethodDef methods[] = {
    {"__length_hint__", (PyCFunction)length_hint, METH_NOARGS, "How many are left in this process."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "Tickets(left, counts=None, index=0, limit=0): an iterator of None, for so many messages in this process; "
                "from shared\ncounts it draws further ones up to the limit."},
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_init, initialise},
    {Py_tp_dealloc, dealloc},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, next},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyTypeObject *tickets_type_make(void) {
    PyType_Spec specification = {.name = "securemem._types.Tickets",
                                 .basicsize = sizeof(Tickets),
                                 .flags = Py_TPFLAGS_DEFAULT,
                                 .slots = slots};
    return (PyTypeObject *)PyType_FromSpec(&specification);
}
