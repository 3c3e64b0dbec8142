/* SPDX-License-Identifier: MIT */
/* What a loop does between two looks at a word that another processor is to write. */
#ifndef TPARK_SRC_RELAX_H
#define TPARK_SRC_RELAX_H

static inline void tpark_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory"); /* yield is a no-op on most of them */
#elif defined(__arm__) && __ARM_ARCH >= 7
    __asm__ volatile("yield" ::: "memory");
#elif defined(__riscv)
    __asm__ volatile(".4byte 0x0100000f" ::: "memory"); /* pause, a hint also where it is unknown */
#elif defined(__powerpc__)
    __asm__ volatile("or 27,27,27" ::: "memory"); /* yield */
#elif defined(__GNUC__)
    __asm__ volatile("" ::: "memory");
#endif
}

#endif
