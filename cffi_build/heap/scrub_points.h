/* scrub_points.h: the clearing of dead stack inside of a library's calls. */
#ifndef SM_SCRUB_POINTS_H
#define SM_SCRUB_POINTS_H

#include "words.h"

/* Bytes of dead stack to clear; 0: none. */
void sm_scrub_points_set(size_t depth);

/* An entry was called that hands something out: its caller is at work. */
void sm_scrub_note(void);
/* An entry was called that takes something back: clears, if its caller stands
 * higher on the stack than whoever was at work. */
void sm_scrub_point(void);

#endif
