/* What every kernel stands on: types, what is asked of the compiler, and how code is cut into functions.
 *
 * The kernels are inline functions over a constant description of one layer. Where they are called in model.c, the
 * compiler sees the description, and drops every branch that it rules out: what is left is code for that layer alone.
 * The macros CCX_INDEX_BITS and CCX_LANES are model.h's, and hold for the whole program.
 */
#ifndef CCX_BASE_H
#define CCX_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if CCX_INDEX_BITS == 16
typedef uint16_t ccx_index;
#elif CCX_INDEX_BITS == 32
typedef uint32_t ccx_index;
#else
#error "include model.h first: it defines CCX_INDEX_BITS as 16 or 32"
#endif

/* A kernel, written into its caller. */
#define CCX_KERNEL static inline __attribute__((always_inline, unused))
/* A layer of the network, or one of its connections: a function of its own, so that what it costs can be told. */
#define CCX_PART static __attribute__((noinline))
/* Before a loop of few turns that a compiler should leave as it is: clang writes four turns of a loop out, which costs
 * more than it saves where there are hardly four. */
#if defined(__clang__)
#define CCX_ROLLED _Pragma("clang loop unroll(disable)")
#else
#define CCX_ROLLED
#endif
/* Every object that tables and records hold lies on a word, so that four bytes can be read as one word. */
#define CCX_ALIGNED __attribute__((aligned(4)))

/* C99 has no static assertion: an array of a negative size is what the compiler refuses. */
#define CCX_REQUIRE(name, holds) typedef char ccx_require_##name[(holds) ? 1 : -1]

/* C99 leaves both to the compiler: the right shift of a negative number, and an unsigned number beyond INT32_MAX turned
 * into a signed one. The arithmetic here asks for the shift that keeps the sign and for two's complement, as gcc, clang
 * and Arm's compilers have them. */
CCX_REQUIRE(arithmetic_shift, (-5 >> 1) == -3);
CCX_REQUIRE(twos_complement, (int32_t)UINT32_MAX == -1);

#endif
