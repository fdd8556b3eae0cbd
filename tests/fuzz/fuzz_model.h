/* fuzz_model.h: one run of arena operations chosen by bytes, each checked
 * against a model that keeps its own copy of every secret and count. */
#ifndef FUZZ_MODEL_H
#define FUZZ_MODEL_H

#include <stddef.h>
#include <stdint.h>

/* Calls made into the core so far, each with its answer checked. */
extern uint64_t fuzz_operations;

/* Starts and ends with no secret and no arena; aborts where core and model differ. */
void fuzz_run(const uint8_t *bytes, size_t length);

#endif
