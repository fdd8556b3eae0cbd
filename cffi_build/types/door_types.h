/* door_types.h: the functions of doors/ for Python.
 *
 * Each is one call, whatever happens in it: a signal's handler that raises, a
 * refused page, a file that ends.  What it holds is wiped or given back before
 * it returns.
 */
#ifndef SM_DOOR_TYPES_H
#define SM_DOOR_TYPES_H

#include "doors.h"
#include "sources.h"
#include "types.h"

/* The functions, for the module. */
extern PyMethodDef door_methods[];

/* door_ground.c */
PyObject *door_install(PyObject *module, PyObject *hook);
/* Raises what a door answered; growing has the status where it was the core, or
 * is NULL; detail is a number for the message; always NULL. */
PyObject *door_raise(enum sm_door door, const struct sm_growing *growing, size_t detail);
/* Gives out what grew, or raises; nothing is left in growing. */
PyObject *door_finish(struct sm_growing *growing, enum sm_door door, size_t detail);
/* The arena that was named, or that of a secret, or the default; NULL: raised. */
sm_arena *door_arena(PyObject *argument, PyObject *source);
/* Clears what the work left in registers and on the stack. */
void door_scrub(void);

/* door_codec.c */
PyObject *door_decode_hex(PyObject *module, PyObject *args);
PyObject *door_encode_hex(PyObject *module, PyObject *args);
PyObject *door_decode_base64(PyObject *module, PyObject *args);
PyObject *door_encode_base64(PyObject *module, PyObject *args);
/* door_text.c */
PyObject *door_split(PyObject *module, PyObject *args);
PyObject *door_strip(PyObject *module, PyObject *args);
PyObject *door_concat(PyObject *module, PyObject *args);
/* door_input.c, door_output.c */
PyObject *door_read(PyObject *module, PyObject *args);
PyObject *door_receive(PyObject *module, PyObject *args);
PyObject *door_read_env(PyObject *module, PyObject *args);
PyObject *door_write_fd(PyObject *module, PyObject *args);
/* Reads a path (bytes) or descriptor (int) to its end; false: raised, and nothing is held. */
bool door_read_whole(struct sm_growing *growing, PyObject *source, bool allow_others, int milliseconds);
/* door_generate.c, door_prompt.c, door_json.c */
PyObject *door_generate_password(PyObject *module, PyObject *args);
PyObject *door_generate_passphrase(PyObject *module, PyObject *args);
PyObject *door_prompt(PyObject *module, PyObject *args);
PyObject *door_read_json(PyObject *module, PyObject *args);
/* door_copy.c, door_mask.c */
PyObject *door_with_copy(PyObject *module, PyObject *args);
PyObject *door_mask(PyObject *module, PyObject *args);
/* memory_file_type.c, door_hand_over.c */
extern PyTypeObject *MemoryFile_Type;
int memory_file_type_make(void);
PyObject *door_memory_file(PyObject *module, PyObject *secret);
PyObject *door_hand_over(PyObject *module, PyObject *args);
PyObject *door_take_over(PyObject *module, PyObject *args);

#endif
