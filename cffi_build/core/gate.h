/* gate.h: the core's mutex, the fork generation, the random value behind
 * canaries: what every unit stands on. */
#ifndef SM_GATE_H
#define SM_GATE_H

#include "words.h"

/* Takes the core's mutex, first settling a fork that nobody announced. */
void sm_enter(void);
void sm_leave(void);
/* Inside: lets others in until one of them calls sm_gate_wake. */
void sm_gate_wait(void);
void sm_gate_wake(void);

/* Opens the gate; settle is called, once, in a child whose fork nobody announced. */
enum sm_status sm_gate_start(void (*settle)(void));
bool sm_gate_is_open(void);
/* In a forked child: what is made from now on is of another generation. */
void sm_gate_next_generation(void);

/* A number that is another one in every forked child, raw clones included. */
uint64_t sm_fork_generation(void);

struct sm_gate {
    uint64_t generation; /* grows by one in each forked child; never zero */
    uint64_t cookie;     /* random, kept over fork */
};
extern struct sm_gate sm_gate; /* written by gate.c only */

static inline uint64_t sm_generation(void) {
    return sm_gate.generation;
}

static inline uint64_t sm_cookie(void) {
    return sm_gate.cookie;
}

#endif
