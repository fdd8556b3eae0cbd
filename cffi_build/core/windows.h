/* windows.h: who may access a span now, counted, and the page protection that
 * follows from the counts. */
#ifndef SM_WINDOWS_H
#define SM_WINDOWS_H

#include "os.h"

struct sm_window {
    uint8_t *address;
    size_t length;
    struct sm_window *next_stuck;
    uint32_t readers;
    uint32_t writers;
    uint32_t secrets; /* slots of it that are taken and not wiped */
    uint32_t frozen;  /* of those, the ones that must not be written */
    uint8_t at_rest; /* enum sm_at_rest */
    uint8_t access;  /* enum sm_access: what the kernel was last told */
    bool stuck;      /* the kernel refused to take access away */
};

/* Sets the protection that the counts ask for; 0 or an errno value. */
int sm_window_settle(struct sm_window *window);

/* SM_NO_MEMORY or SM_REFUSED, and nothing is changed, if the kernel refuses. */
enum sm_status sm_window_open(struct sm_window *window, bool writable);
/* Cannot fail for the caller: a refusal is counted and repeated later. */
void sm_window_close(struct sm_window *window, bool writable);

/* As after a closing: sets the protection that the counts ask for, or repeats it later. */
void sm_window_rest(struct sm_window *window);

/* Repeats the closings that failed; all under the core's mutex. */
void sm_windows_retry(void);
size_t sm_windows_failed(void); /* closings that failed, ever */
size_t sm_windows_stuck(void);  /* still open because of it */
/* Before the window's memory goes away, and for all of them after a fork. */
void sm_window_forget(struct sm_window *window);
void sm_windows_forget_all(void);

#endif
