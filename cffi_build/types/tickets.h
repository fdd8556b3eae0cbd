/* tickets.h: counts that hold over forks.
 *
 * A ticket is the leave to protect one message.  A Tickets gives out a block of
 * them, in the process that made it: in a forked child it is empty, since the
 * parent goes on with the same block.  A shared count lies in memory that a
 * process has in common with its forked children (MAP_SHARED): blocks are taken
 * from it by one atomic step, so that a limit holds over all of them.
 */
#ifndef SM_TICKETS_H
#define SM_TICKETS_H

#include "types.h"

PyTypeObject *tickets_type_make(void);
extern PyTypeObject *Tickets_Type;
/* take_shared(counts, index, floor, least, most, limit): see module.c. */
PyObject *tickets_take_shared(PyObject *module, PyObject *const *args, Py_ssize_t count);

#endif
