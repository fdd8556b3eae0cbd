#include "heap.h"
#include "securemem.h"

int main(void) {
    if (sm_start() != SM_OK || sm_heap_start((size_t)1 << 20) != SM_OK) return 1;
    uint8_t *block = sm_heap_take(64, 0);
    uint8_t *other = sm_heap_take(64, 0);
    if (block == NULL || other == NULL) return 1;
    block = sm_heap_take(9000, 0);
    sm_heap_return(block + 4096);
    return 0;
}
