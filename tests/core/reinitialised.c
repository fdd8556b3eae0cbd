/* reinitialised.c: an interpreter that is initialised and finalised again and again, with a secret each time.
 *
 * Prints, for each turn, whether the secret's bytes lay there before the end and after it.
 */
#include <Python.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECRET "reinitialised secret"

static const char program[] =
    "import ctypes, securemem\n"
    "secret = securemem.SecureBytes.copy_of(b'" SECRET "', arena=securemem.Arena(at_rest='readwrite'))\n"
    "with secret.reveal(writable=True) as view:\n"
    "    buffer = ctypes.c_char.from_buffer(view)\n"
    "    where = ctypes.addressof(buffer)\n"
    "    del buffer\n"
    "ctypes.pythonapi.Py_IncRef(ctypes.py_object(secret))  # no deallocation wipes it\n";

int main(void) {
    for (int turn = 0; turn < 3; turn++) {
        Py_Initialize();
        if (PyRun_SimpleString(program) != 0) return 1;
        PyObject *number = PyObject_GetAttrString(PyImport_AddModule("__main__"), "where");
        const char *where = number == NULL ? NULL : PyLong_AsVoidPtr(number);
        Py_XDECREF(number);
        if (where == NULL) return 1;
        int before = memcmp(where, SECRET, strlen(SECRET)) == 0;
        Py_Finalize();
        printf("%d %d\n", before, memcmp(where, SECRET, strlen(SECRET)) == 0);
    }
    return 0;
}
