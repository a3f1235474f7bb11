/* Every workload of the stages; bench/README.md says what each of them does. */
#ifndef WORKLOADS_H
#define WORKLOADS_H

#include "../subject.h"

/* crowd.c: tasks that are spawned, take turns and are joined */
void spawn_join(struct work *work);
void yield_1(struct work *work);
void yield_1000x1000(struct work *work);
void context_switch_task(struct work *work);
void scaling(struct work *work);
void imbalance(struct work *work);
void sleep_100us(struct work *work);

/* memory.c */
void mem_pending(struct work *work);
void mem_sleeping(struct work *work);
void base_memory(struct work *work);
void base_time(struct work *work);

/* detached.c: Tokio's scheduler workloads */
void rt_spawn_many(struct work *work);
void rt_yield_many(struct work *work);
void rt_chained_spawn(struct work *work);

/* outside.c */
void wake_remote(struct work *work);

/* sync_channel.c, sync_mutex.c, sync_ping_pong.c: from stage 07 on */
void ping_pong_oneshot(struct work *work);
void ping_pong_mpsc(struct work *work);
void mpsc_1p(struct work *work);
void mpsc_4p(struct work *work);
void mutex_8tasks(struct work *work);
void mutex_8tasks_yield(struct work *work);
void mutex_1_threads(struct work *work);
void mutex_2_threads(struct work *work);
void mutex_8_threads(struct work *work);
void rt_ping_pong(struct work *work);

/* http.c */
void http(struct work *work);

#endif
