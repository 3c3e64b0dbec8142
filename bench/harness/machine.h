/* SPDX-License-Identifier: MIT */
/* The machine: its clock, its CPUs, what else runs on it, and its description. */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* One line on stderr, and exit with status 1. error: an error number, or 0. */
_Noreturn void fail(const char *what, int error);

uint64_t monotonic_ns(void);

/* CPU time of the calling thread, and how often it gave up its CPU by itself: slept. */
uint64_t thread_cpu_ns(void);
long thread_sleeps(void);

/* Busy-waits. */
void spin_for(uint64_t ns);
void relax(void);

/*
 * Finds out which CPUs this process may use. Returns how many. Two neighbours in the numbering of
 * cpu_index() are different cores, if there are different cores.
 */
unsigned find_cpus(void);
unsigned cpu_count(void);
int cpu_number(unsigned index);

/* Real-time priority for all threads to come. 0, or an error number. */
int use_realtime(void);

/* Starts a thread on the index-th CPU; ANY_CPU: wherever. Says once if it may not. */
enum { ANY_CPU = -1 };
int try_start_thread(pthread_t *thread, int cpu_index, void *(*function)(void *), void *argument);
void start_thread(pthread_t *thread, int cpu_index, void *(*function)(void *), void *argument);

/* Moves a thread to the index-th CPU, if it may. */
void move_thread(pthread_t thread, int cpu_index);

/* Memory that the processes share which are started from now on; all zero. */
void *new_shared(size_t size);
void delete_shared(void *memory, size_t size);

/* A thread, or the one thread of a process of its own. */
struct runner {
    pthread_t thread;
    pid_t process; /* 0: none of its own */
};
void start_runner(struct runner *runner, bool own_process, int cpu_index, void *(*function)(void *),
                  void *argument);
void join_runner(const struct runner *runner);

/* A barrier for runners of either kind. */
void init_barrier(pthread_barrier_t *barrier, unsigned count);

/* Waits until a thread, of whatever process, sleeps in the kernel. */
void wait_until_asleep(pid_t tid);

/* CPU time that other processes, and other virtual machines on this one's CPUs, have used. */
uint64_t other_cpu_ns(void);

/* The lines of the header. */
struct fact {
    const char *key;
    char text[200];
};
size_t describe_machine(struct fact *facts, size_t capacity);

#endif
