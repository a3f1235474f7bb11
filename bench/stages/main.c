#include "workloads.h"

#include <stddef.h>

int main(int argc, char **argv)
{
    static const struct workload workloads[] = {
        {"spawn_join", spawn_join},
        {"yield_1", yield_1},
        {"yield_1000x1000", yield_1000x1000},
        {"context_switch_task", context_switch_task},
        {"scaling", scaling},
        {"imbalance", imbalance},
        {"sleep_100us", sleep_100us},
        {"mem_pending", mem_pending},
        {"mem_sleeping", mem_sleeping},
        {"base_memory", base_memory},
        {"base_time", base_time},
        {"rt_spawn_many", rt_spawn_many},
        {"rt_yield_many", rt_yield_many},
        {"rt_chained_spawn", rt_chained_spawn},
#if STAGE > 4
        {"wake_remote", wake_remote},
#endif
#if STAGE > 6
        {"ping_pong_oneshot", ping_pong_oneshot},
        {"ping_pong_mpsc", ping_pong_mpsc},
        {"mpsc_1p", mpsc_1p},
        {"mpsc_4p", mpsc_4p},
        {"mutex_8tasks", mutex_8tasks},
        {"mutex_8tasks_yield", mutex_8tasks_yield},
        {"mutex_1_threads", mutex_1_threads},
        {"mutex_2_threads", mutex_2_threads},
        {"mutex_8_threads", mutex_8_threads},
        {"rt_ping_pong", rt_ping_pong},
#endif
        {"http", http},
        {NULL, NULL},
    };
    return subject_main(argc, argv, workloads);
}
