/* module.c: the module securemem._types, the second one in the shared object.
 *
 * Exceptions, warnings and the reading of protections are Python's business:
 * install() takes the three callables for them.
 */
#include "types.h"

PyTypeObject *Secret_Type;
PyTypeObject *Reveal_Type;
PyTypeObject *ArenaHandle_Type;

static PyObject *raise_hook;
static PyObject *warn_hook;
static PyObject *protection_hook;

PyObject *raise_status(enum sm_status status) {
    PyObject *result = PyObject_CallFunction(raise_hook, "i", (int)status);
    if (result != NULL) {
        Py_DECREF(result);
        PyErr_Format(PyExc_SystemError, "no exception for status %d", (int)status);
    }
    return NULL;
}

int warn_unlocked(void) {
    PyObject *result = PyObject_CallFunction(warn_hook, NULL);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

PyObject *read_protection(const struct sm_location *location) {
    return PyObject_CallFunction(protection_hook, "KKKKiO", (unsigned long long)location->pages,
                                 (unsigned long long)location->pages_length,
                                 (unsigned long long)location->guard_before,
                                 (unsigned long long)location->guard_after, location->backend,
                                 location->stuck ? Py_True : Py_False);
}

static PyObject *install(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *raise, *warn, *protection;
    if (!PyArg_ParseTuple(args, "OOO", &raise, &warn, &protection)) return NULL;
    Py_XDECREF(raise_hook);
    Py_XDECREF(warn_hook);
    Py_XDECREF(protection_hook);
    raise_hook = Py_NewRef(raise);
    warn_hook = Py_NewRef(warn);
    protection_hook = Py_NewRef(protection);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"install", install, METH_VARARGS, "install(raise_status, warn_unlocked, read_protection)"},
    {NULL, NULL, 0, NULL},
};

/* Types once per process: a second import finds them as they are. */
static int make_types(void) {
    if (Secret_Type != NULL) return 0;
    PyTypeObject *secret = secret_type_make();
    Reveal_Type = reveal_type_make();
    ArenaHandle_Type = arena_type_make();
    if (secret == NULL || Reveal_Type == NULL || ArenaHandle_Type == NULL) return -1;
    if (Py_AtExit(sm_stop) != 0) {
        PyErr_SetString(PyExc_ImportError, "securemem cannot start: Py_AtExit has no room for its wiping at exit");
        return -1;
    }
    Secret_Type = secret;
    return 0;
}

static int execute(PyObject *module) {
    if (PyInterpreterState_GetID(PyInterpreterState_Get()) != 0) {
        PyErr_SetString(PyExc_ImportError,
                        "securemem holds memory of the whole process and cannot be imported in a sub-interpreter: "
                        "import it in the main interpreter");
        return -1;
    }
    if (sm_start() != SM_OK) {
        PyErr_Format(PyExc_ImportError, "securemem cannot start: %s failed with errno %d", sm_failure_get()->call,
                     sm_failure_get()->error);
        return -1;
    }
    if (make_types() != 0) return -1;
    if (PyModule_AddObjectRef(module, "SecureBytes", (PyObject *)Secret_Type) != 0) return -1;
    if (PyModule_AddObjectRef(module, "Reveal", (PyObject *)Reveal_Type) != 0) return -1;
    return PyModule_AddObjectRef(module, "ArenaHandle", (PyObject *)ArenaHandle_Type);
}

/* In two phases: a module of one phase is copied into a sub-interpreter
 * without being asked, and its hooks would die with that interpreter. */
static PyModuleDef_Slot slots[] = {{Py_mod_exec, execute}, {0, NULL}};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "securemem._types", .m_methods = functions,
                                        .m_slots = slots};

PyMODINIT_FUNC PyInit__types(void) {
    return PyModuleDef_Init(&definition);
}
