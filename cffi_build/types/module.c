/* module.c: the module securemem._types, the second one in the shared object.
 *
 * Exceptions, warnings and the reading of protections are Python's business:
 * install() takes three callables for them, and the class of one warning.
 */
#include "ciphers.h"
#include "clearing.h"
#include "door_types.h"
#include "ending.h"
#include "file_type.h"
#include "gate.h"
#include "heap_module.h"
#include "page_lock_type.h"
#include "read_file.h"
#include "scope.h"
#include "sources.h"
#include "tickets.h"
#include "transfer.h"
#include "memoryviews.h"
#include "types.h"

static PyMethodDef functions[] = {
    {"install", install_hooks, METH_VARARGS, "install(raise_status, warn_unlocked, read_protection, text_warning)"},
    {"operate", (PyCFunction)(void (*)(void))scope_operate, METH_FASTCALL,
     "operate(depth, work, /, *arguments)\n--\n\nReturns work(scope, *arguments), and ends the operation whatever that raised."},
    {"bytes_of", (PyCFunction)(void (*)(void))source_bytes, METH_FASTCALL,
     "bytes_of(buffer, what, /)\n--\n\nA copy of a buffer that holds no secret; no view of it is left."},
    {"scrub", clearing_scrub, METH_O,
     "scrub(depth, /)\n--\n\nClears vector registers and up to depth bytes of this thread's dead stack; the bytes cleared."},
    {"wipe", clearing_wipe, METH_O, "wipe(buffer, /)\n--\n\nZeroes a writable, contiguous buffer."},
    {"wrap_steps", (PyCFunction)(void (*)(void))clearing_wrap_steps, METH_FASTCALL,
     "wrap_steps(encryptor, work, /)\n--\n\nThe steps of AES key wrap, on scratch as crypto/blocks.h has it."},
    {"unwrap_steps", (PyCFunction)(void (*)(void))clearing_unwrap_steps, METH_FASTCALL,
     "unwrap_steps(decryptor, work, /)\n--\n\nThe steps of AES key unwrap, on scratch as crypto/blocks.h has it."},
    {"heap_section", heap_section, METH_NOARGS, "heap_section(): a section of the crypto heap, not yet entered"},
    {"heap_write_slots", heap_write_slots, METH_NOARGS, "heap_write_slots(): writes the slots that are planned; 0, or the reason"},
    {"heap_verify_slots", heap_verify_slots, METH_NOARGS,
     "heap_verify_slots(): writes slots again that other code changed; how many those were, ever"},
    {"heap_start_python", heap_start_python, METH_NOARGS,
     "heap_start_python(): puts the crypto heap under Python's objects, prepared by sm_python_prepare()"},
    {"heap_operate", (PyCFunction)(void (*)(void))heap_operate, METH_FASTCALL,
     "heap_operate(depth, work, /, *arguments)\n--\n\noperate(), in a section of the crypto heap."},
    {"heap_keep", heap_keep, METH_VARARGS,
     "heap_keep(most, refuse, /): keep at most so many prepared ciphers; refuse(), where key material is not locked"},
    {"heap_kept", heap_kept, METH_NOARGS, "heap_kept(): how many prepared ciphers are kept now"},
    {"heap_forget", heap_forget, METH_O, "heap_forget(secret, /): drops the prepared cipher that is kept of it"},
    {"heap_forget_all", heap_forget_all, METH_NOARGS, "heap_forget_all(): drops all prepared ciphers that are kept"},
    {"purge", arenas_purge, METH_NOARGS, "purge(): wipes all secrets, and drops what was made of them; the views waited for"},
    {"apply", (PyCFunction)(void (*)(void))apply_changes, METH_FASTCALL,
     "apply(*steps)\n--\n\nDoes several assignments as one: (object, name, value), (dict, key, value), (dict, key), (cell,)."},
    {"take_shared", (PyCFunction)(void (*)(void))tickets_take_shared, METH_FASTCALL,
     "take_shared(counts, index, floor, least, most, limit, /)\n--\n\nTakes between least and most from a shared count, "
     "raised to floor before, up to the limit;\nhow many, which is 0 where less than least is left, and the count then."},
    {"transfer", (PyCFunction)(void (*)(void))files_transfer, METH_FASTCALL,
     "transfer(source, target, work, /, *arguments)\n--\n\nReturns work(reader, writer, *arguments); the target appears "
     "whole, or not at all."},
    {"page_lock", page_lock, METH_VARARGS, "page_lock(buffer, on_fault, /)\n--\n\nA PageLock on a buffer's pages."},
    {"read_file", files_read, METH_O, "read_file(path, /)\n--\n\nAll bytes of a file, opened, read and closed in this call."},
    {NULL, NULL, 0, NULL},
};

/* The interpreter has ended.  Where it is initialised again, it gets types of its own, and this call again. */
static void stop_at_exit(void) {
    Secret_Type = NULL;
    sm_stop();
}

/* Types once per interpreter: a second import finds them as they are. */
static int make_types(void) {
    if (Secret_Type != NULL) return 0;
    PyTypeObject *secret = secret_type_make();
    Reveal_Type = reveal_type_make();
    ArenaHandle_Type = arena_type_make();
    Scope_Type = scope_type_make();
    Cipher_Type = cipher_type_make();
    Prepared_Type = prepared_type_make();
    if (secret == NULL || Reveal_Type == NULL || ArenaHandle_Type == NULL) return -1;
    if (Scope_Type == NULL || Cipher_Type == NULL || Prepared_Type == NULL) return -1;
    Section_Type = section_type_make();
    PageLock_Type = page_lock_type_make();
    if (Section_Type == NULL || PageLock_Type == NULL || ending_start() != 0 || memoryviews_start() != 0) return -1;
    Gate_Type = gate_type_make();
    Cell_Type = cell_type_make();
    Keeper_Type = keeper_type_make();
    File_Type = file_type_make();
    Tickets_Type = tickets_type_make();
    if (Tickets_Type == NULL) return -1;
    if (Gate_Type == NULL || Cell_Type == NULL || Keeper_Type == NULL || File_Type == NULL) return -1;
    if (Py_AtExit(stop_at_exit) != 0) {
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
    if (memory_file_type_make() != 0 || PyModule_AddFunctions(module, door_methods) != 0) return -1;
    if (PyModule_AddObjectRef(module, "MemoryFile", (PyObject *)MemoryFile_Type) != 0) return -1;
    if (PyModule_AddObjectRef(module, "SecureBytes", (PyObject *)Secret_Type) != 0) return -1;
    if (PyModule_AddObjectRef(module, "Reveal", (PyObject *)Reveal_Type) != 0) return -1;
    if (PyModule_AddObjectRef(module, "Cipher", (PyObject *)Cipher_Type) != 0) return -1;
    if (PyModule_AddObjectRef(module, "Prepared", (PyObject *)Prepared_Type) != 0) return -1;
    if (PyModule_AddObjectRef(module, "PageLock", (PyObject *)PageLock_Type) != 0) return -1;
    if (PyModule_AddObjectRef(module, "Gate", (PyObject *)Gate_Type) != 0) return -1;
    if (PyModule_AddObjectRef(module, "Cell", (PyObject *)Cell_Type) != 0) return -1;
    if (PyModule_AddObjectRef(module, "Tickets", (PyObject *)Tickets_Type) != 0) return -1;
    if (PyModule_AddObjectRef(module, "Keeper", (PyObject *)Keeper_Type) != 0) return -1;
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
