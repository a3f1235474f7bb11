/* Workloads of OS threads; bench/README.md says what each of them does. */
#ifndef THREADS_H
#define THREADS_H

#include "../subject.h"

/* threads_crowd.c */
void spawn_join(struct work *work);
void yield_1(struct work *work);
void yield_1000x1000(struct work *work);
void sleep_100us(struct work *work);
void mem_pending(struct work *work);
void mem_sleeping(struct work *work);

/* threads_switch.c */
void context_switch_futex_1cpu(struct work *work);
void context_switch_futex_2cpu(struct work *work);
void context_switch_pipe_1cpu(struct work *work);
void context_switch_pipe_2cpu(struct work *work);
void wake_remote(struct work *work);

/* threads_mutex.c: the C library's mutex */
void mutex_1_threads(struct work *work);
void mutex_2_threads(struct work *work);
void mutex_8_threads(struct work *work);

#endif
