/* The OS's own threads, and the C library's mutex. */
#include "threads.h"

#include <stddef.h>

int main(int argc, char **argv)
{
    static const struct workload workloads[] = {
        {"spawn_join", spawn_join},
        {"yield_1", yield_1},
        {"yield_1000x1000", yield_1000x1000},
        {"sleep_100us", sleep_100us},
        {"mem_pending", mem_pending},
        {"mem_sleeping", mem_sleeping},
        {"context_switch_futex_1cpu", context_switch_futex_1cpu},
        {"context_switch_futex_2cpu", context_switch_futex_2cpu},
        {"context_switch_pipe_1cpu", context_switch_pipe_1cpu},
        {"context_switch_pipe_2cpu", context_switch_pipe_2cpu},
        {"wake_remote", wake_remote},
        {"mutex_1_threads", mutex_1_threads},
        {"mutex_2_threads", mutex_2_threads},
        {"mutex_8_threads", mutex_8_threads},
        {NULL, NULL},
    };
    return subject_main(argc, argv, workloads);
}
