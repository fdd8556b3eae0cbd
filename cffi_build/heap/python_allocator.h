/* python_allocator.h: Python's objects in the crypto heap: the bytes that a
 * redirected library makes, and, inside a section, all.
 *
 * Python lets its allocators for objects be replaced (PyMem_SetAllocator, which
 * the limited API leaves out: it is looked up by name).  Ours hands requests on
 * to the one it replaced unless they are meant for the heap, and takes back
 * whatever lies in the heap's range.  Once there it stays for good.
 */
#ifndef SM_PYTHON_ALLOCATOR_H
#define SM_PYTHON_ALLOCATOR_H

#include "words.h"

struct sm_section;

/* Looks up what is needed of Python; false: this Python does not export it. */
bool sm_python_prepare(void);
/* Puts the allocators in place, once; to be called with the GIL, prepared. */
void sm_python_start(void);
/* Most bytes of Python's objects that sections may hold at one time. */
void sm_python_set_most(size_t bytes);

/* From here to its end, this thread's Python objects come from the heap.  A
 * section may be ended from another thread; NULL: no memory. */
struct sm_section *sm_section_begin(void);
/* Clears depth bytes of dead stack, and the registers, where it ends in its own thread. */
void sm_section_end(struct sm_section *section, size_t depth);

struct sm_python_counts {
    size_t live;    /* bytes of Python's blocks in the heap */
    size_t refused; /* requests of sections that went to Python's own allocator, ever */
};
void sm_python_count(struct sm_python_counts *out);

/* Entries (entries.h). */
void *sm_entry_bytes(const char *source, intptr_t length);
void sm_entry_buffer_release(void *view);
void sm_entry_decref(void *object);

#endif
