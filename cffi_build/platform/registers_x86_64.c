/* registers_x86_64.c: zeroes the vector registers, where block ciphers leave
 * round keys.  General registers are overwritten by the next few calls; vector
 * registers live until some other vector code runs, and a signal spills them
 * to the stack.
 *
 * Which registers there are is asked of the processor (CPUID) and of the kernel,
 * which must save them (XGETBV): Intel's manual, volume 1, chapters 14.3 and
 * 15.2.  Compilers' builtins for it need a start-up code that not all link in.
 */
#include "registers.h"

#include <cpuid.h>

enum { UNKNOWN, SSE, AVX, AVX512 };
#define SAVED_AVX 0x06u    /* bits of XCR0: xmm and the upper halves of ymm */
#define SAVED_AVX512 0xe6u /* and masks, upper halves of zmm, zmm16 to 31 */

static int ask_vectors(void) {
    unsigned int a, b, c, d, saved, high;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) || !(c & bit_AVX)) return SSE;
    __asm__ volatile("xgetbv" : "=a"(saved), "=d"(high) : "c"(0));
    if ((saved & SAVED_AVX) != SAVED_AVX) return SSE;
    if ((saved & SAVED_AVX512) != SAVED_AVX512) return AVX;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_AVX512F) ? AVX512 : AVX;
}

static void clear_sse(void) {
    __asm__ volatile(
        "pxor %%xmm0, %%xmm0\n\tpxor %%xmm1, %%xmm1\n\tpxor %%xmm2, %%xmm2\n\tpxor %%xmm3, %%xmm3\n\t"
        "pxor %%xmm4, %%xmm4\n\tpxor %%xmm5, %%xmm5\n\tpxor %%xmm6, %%xmm6\n\tpxor %%xmm7, %%xmm7\n\t"
        "pxor %%xmm8, %%xmm8\n\tpxor %%xmm9, %%xmm9\n\tpxor %%xmm10, %%xmm10\n\tpxor %%xmm11, %%xmm11\n\t"
        "pxor %%xmm12, %%xmm12\n\tpxor %%xmm13, %%xmm13\n\tpxor %%xmm14, %%xmm14\n\tpxor %%xmm15, %%xmm15"
        :
        :
        : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
          "xmm12", "xmm13", "xmm14", "xmm15");
}

__attribute__((target("avx"))) static void clear_avx(void) {
    __asm__ volatile("vzeroall"
                     :
                     :
                     : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
                       "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}

/* vzeroall does not reach the upper sixteen registers of AVX-512. */
__attribute__((target("avx512f"))) static void clear_avx512(void) {
    __asm__ volatile(
        "vpxord %%zmm16, %%zmm16, %%zmm16\n\tvpxord %%zmm17, %%zmm17, %%zmm17\n\t"
        "vpxord %%zmm18, %%zmm18, %%zmm18\n\tvpxord %%zmm19, %%zmm19, %%zmm19\n\t"
        "vpxord %%zmm20, %%zmm20, %%zmm20\n\tvpxord %%zmm21, %%zmm21, %%zmm21\n\t"
        "vpxord %%zmm22, %%zmm22, %%zmm22\n\tvpxord %%zmm23, %%zmm23, %%zmm23\n\t"
        "vpxord %%zmm24, %%zmm24, %%zmm24\n\tvpxord %%zmm25, %%zmm25, %%zmm25\n\t"
        "vpxord %%zmm26, %%zmm26, %%zmm26\n\tvpxord %%zmm27, %%zmm27, %%zmm27\n\t"
        "vpxord %%zmm28, %%zmm28, %%zmm28\n\tvpxord %%zmm29, %%zmm29, %%zmm29\n\t"
        "vpxord %%zmm30, %%zmm30, %%zmm30\n\tvpxord %%zmm31, %%zmm31, %%zmm31"
        :
        :
        : "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", "xmm26",
          "xmm27", "xmm28", "xmm29", "xmm30", "xmm31");
}

void sm_clear_registers(void) {
    static _Atomic int vectors; /* asked once, since CPUID is slow in virtual machines */
    int known = vectors;
    if (known == UNKNOWN) vectors = known = ask_vectors();
    clear_sse();
    if (known >= AVX) clear_avx();
    if (known >= AVX512) clear_avx512();
}
