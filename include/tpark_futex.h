/* SPDX-License-Identifier: MIT */
/* Included by tpark_backend.h. The layout of a parker that sleeps in futex(2) on its state word. */
#ifndef TPARK_FUTEX_H
#define TPARK_FUTEX_H

#ifdef TPARK_BACKEND_PTHREAD
#error "TPARK_BACKEND_PTHREAD is defined, but this tpark has the futex backend"
#endif

#define TPARK_BACKEND_FUTEX 1
#define TPARK_HAS_FUTEX_WORD 1

struct tpark {
    uint32_t state; /* an enum tpark_state; tpark's to write */
    uint8_t flags;  /* fixed when the parker is made */
    uint8_t armed;  /* the owner's: it is armed, or about to be; kept if TPARK_SHARED */
    uint16_t spin;  /* the policy's */
};

#define TPARK_LAYOUT TPARK_CAST(uint32_t, 1u << 24 | 1u << 16 | sizeof(struct tpark))

#define TPARK_INIT_FLAGS(flags_)                                                                   \
    {                                                                                              \
        0, (flags_)&0xff, 0, (flags_) >> 16 & 0xffff                                               \
    }

#endif
