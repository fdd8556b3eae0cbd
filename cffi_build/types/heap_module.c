/* heap_module.c: what of the crypto heap must run with the GIL: the writing of
 * import slots, the start of Python's allocators, sections, and ciphers that are kept.
 *
 * A section that an exception left entered ends when its object goes.
 */
#include "heap_module.h"

#include "heap.h"
#include "kept.h"
#include "python_allocator.h"
#include "scope.h"
#include "slots.h"

#define SCRUB_DEPTH ((size_t)64 * 1024)

PyTypeObject *Section_Type;

typedef struct {
    PyObject_HEAD
    struct sm_section *section; /* NULL while not entered */
} Section;

static PyObject *enter(Section *self, PyObject *ignored) {
    (void)ignored;
    if (self->section != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "this section is entered already: call secret_section() again for another one");
        return NULL;
    }
    self->section = sm_section_begin();
    if (self->section == NULL) return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static void end(Section *self) {
    struct sm_section *section = self->section;
    self->section = NULL;
    if (section != NULL) sm_section_end(section, SCRUB_DEPTH);
}

static PyObject *leave(Section *self, PyObject *exception) {
    (void)exception;
    end(self);
    Py_RETURN_NONE;
}

static void dealloc(Section *self) {
    end(self);
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
    {"__enter__", (PyCFunction)enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)leave, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "A with statement in which Python's objects come from the crypto heap; made by secret_section()."},
    {Py_tp_dealloc, dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyTypeObject *section_type_make(void) {
    PyType_Spec specification = {.name = "securemem._types.Section",
                                 .basicsize = sizeof(Section),
                                 .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                                 .slots = slots};
    return (PyTypeObject *)PyType_FromSpec(&specification);
}

PyObject *heap_section(PyObject *module, PyObject *ignored) {
    (void)module;
    (void)ignored;
    Section *self = PyObject_New(Section, Section_Type);
    if (self != NULL) self->section = NULL;
    return (PyObject *)self;
}

PyObject *heap_start_python(PyObject *module, PyObject *ignored) {
    (void)module;
    (void)ignored;
    sm_python_start();
    Py_RETURN_NONE;
}

PyObject *heap_write_slots(PyObject *module, PyObject *ignored) {
    (void)module;
    (void)ignored;
    return PyLong_FromLong((long)sm_slots_write());
}

PyObject *heap_verify_slots(PyObject *module, PyObject *ignored) {
    (void)module;
    (void)ignored;
    return PyLong_FromSize_t(sm_slots_verify());
}

PyObject *heap_keep(PyObject *module, PyObject *args) {
    (void)module;
    Py_ssize_t most;
    PyObject *refuse;
    if (!PyArg_ParseTuple(args, "nO", &most, &refuse)) return NULL;
    kept_configure(most > 0 ? (size_t)most : 0, refuse == Py_None ? NULL : sm_heap_is_locked, refuse);
    Py_RETURN_NONE;
}

PyObject *heap_kept(PyObject *module, PyObject *ignored) {
    (void)module;
    (void)ignored;
    return PyLong_FromSize_t(kept_count());
}

PyObject *heap_forget(PyObject *module, PyObject *secret) {
    (void)module;
    if (Py_TYPE(secret) == Secret_Type) kept_forget((Secret *)secret);
    Py_RETURN_NONE;
}

PyObject *heap_forget_all(PyObject *module, PyObject *ignored) {
    (void)module;
    (void)ignored;
    kept_forget_all();
    Py_RETURN_NONE;
}

/* The bytes that an operation answers with are no secret, and outlive the section: they belong outside of the heap. */
static PyObject *moved_out(PyObject *result) {
    if (result == NULL || !PyBytes_CheckExact(result)) return result;
    PyObject *outside = PyBytes_FromStringAndSize(PyBytes_AsString(result), PyBytes_Size(result));
    Py_DECREF(result);
    return outside;
}

PyObject *heap_operate(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    struct sm_section *section = sm_section_begin();
    if (section == NULL) return PyErr_NoMemory();
    PyObject *result = scope_operate(module, args, count);
    sm_section_end(section, SCRUB_DEPTH);
    return moved_out(result);
}
