/* securemem.h: the contract of the compiled core.
 *
 * The core holds secrets in memory that is locked into RAM, left out of core
 * dumps, not inherited by forked children, and zeroed before it is given back.
 *
 * LAYOUT.  A secret lives in a slot.  Slots of one size class fill the pages
 * of a slab; what the core knows about them (struct sm_slot) is kept outside
 * the locked pages.
 *
 *   no-access arena, a guard between all pages:   read-write arena:
 *     [guard][page][guard][page][guard]             [guard][page][page][guard]
 *
 *   page:  | secret 0 ..... |slack|canary| secret 1 ... |slack|canary| rest |
 *
 *   large request, a run of its own, data's end at the trailing guard:
 *     [guard][ slack | secret ......................... ][guard]
 *
 * A slot that is free is zero, so taking one opens no page.  Its canary is there
 * from its first opening for writing to its wiping; slack is zero for as long as
 * the slot is in use.  A canary, a slack byte or a free byte that changed means
 * that a write ran over: the process is aborted with a message.
 *
 * ACCESS.  In a no-access arena a page with a taken slot has no access while no
 * view is open.  A page without one is zero, and stays accessible until it has
 * one again: a secret that is made, written and released where no other lies
 * costs two mprotects.
 *
 * OWNERSHIP.  sm_secret_take hands out a slot; it stays the caller's until
 * sm_secret_return.  An arena lives until its handle is released and its last
 * slot is back.  Views (sm_secret_open) must be closed with the same access.
 *
 * THREADS.  One mutex guards all of it.  Every function may be called from any
 * thread, with or without the GIL, and none calls back into Python.
 *
 * FORK.  In a child the parent's pages do not exist.  Every function given an
 * arena or slot made before the fork answers SM_FORKED.  An arena whose policy is
 * SM_FORK_INHERIT comes along, its pages locked again, it and its slots used
 * as before: but not in a raw clone, and not what could not be locked there.
 *
 * ARGUMENT ORDER.  Object first, then outputs, then inputs, each length after
 * its buffer.  Every function that can fail returns enum sm_status; the system
 * call behind it, if one failed, is in sm_failure_get() of the same thread.
 *
 * Each unit's header declares what that unit defines; this one gathers those
 * that users of the core need.
 */
#ifndef SECUREMEM_H
#define SECUREMEM_H

#include "words.h"

#include "failure.h"       /* the system call behind a status */
#include "process.h"       /* start and end */
#include "gate.h"          /* which fork this is */
#include "process_flags.h" /* what holds for the whole process */
#include "registry.h"      /* arenas: made, found, configured, released */
#include "secret.h"        /* one secret, from its taking to its return */
#include "compare.h"       /* equality */
#include "purge.h"         /* wiping many at once */
#include "statistics.h"    /* what is held, and what still fits */
#include "wipe.h"          /* zeroing, clearing of dead stack */
#include "registers.h"     /* clearing of registers */
#include "page_locks.h"    /* locks on memory that others own */
#include "all_locks.h"     /* mlockall and munlockall beside those */
#include "verify.h"        /* what is locked, by the kernel's word */

#endif
