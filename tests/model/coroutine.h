/* SPDX-License-Identifier: MIT */
/* What scenarios ask of coroutine.cpp, where the compiler has coroutines. */
#ifndef TPARK_TESTS_MODEL_COROUTINE_H
#define TPARK_TESTS_MODEL_COROUTINE_H

#ifdef __cplusplus
extern "C" {
#endif

/* Waits for the event, of which there is one, as sync_wait() does; returns its result. */
int coroutine_await_event(void);

void coroutine_set_event(int result);

#ifdef __cplusplus
}
#endif

#endif
