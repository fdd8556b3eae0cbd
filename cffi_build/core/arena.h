/* arena.h: where slots come from and go back to, and the list of all arenas; all
 * under the core's mutex. */
#ifndef SM_ARENA_H
#define SM_ARENA_H

#include "slab.h"

#define SM_SIZE_CLASSES 14

struct sm_size_class {
    struct sm_slab *free;  /* slabs with free slots */
    struct sm_slab *spare; /* at most one of them is wholly free */
    size_t next_pages;     /* how many the next run shall have */
    bool released;         /* the last that happened was a release */
    bool spread;           /* it has pages for short lives, or is not to have any */
};

struct sm_arena {
    struct sm_policy policy;
    uint64_t generation; /* of the process that made it */
    struct sm_arena *next;
    struct sm_slab *slabs;
    struct sm_size_class classes[SM_SIZE_CLASSES];
    struct sm_slab *cached; /* large runs, wiped; linked by next_free */
    size_t cached_bytes;
    struct sm_statistics counts; /* the fields an arena can know by itself */
    size_t taken;  /* slots that are not free */
    bool held;     /* its handle was not released */
    bool closed;
    _Atomic bool unlocked; /* has a run that could not be locked; read without the mutex */
};

enum sm_status sm_arena_take(sm_arena *arena, struct sm_slot **out, size_t length);
/* The slot must have been wiped. May free the slab, and the arena. */
void sm_arena_give_back(struct sm_slot *slot);

/* Enters a run into the arena's books; and a small one that has free slots among those that serve. */
void sm_arena_adopt(sm_arena *arena, struct sm_slab *slab);
void sm_arena_list_free(struct sm_slab *slab);

sm_arena *sm_arena_first(void); /* the rest by next */
void sm_arena_enlist(sm_arena *arena);
void sm_arena_forget_list(void);
/* Frees it once neither its handle nor a secret needs it. */
void sm_arena_free_if_unused(sm_arena *arena);
size_t sm_arena_slot_size(int size_class);
int sm_arena_class_of(size_t length);
/* Gives back to the kernel what is kept for later; bytes of pages. */
size_t sm_arena_drop_idle(sm_arena *arena);

#endif
