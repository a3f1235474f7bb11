#include "order.h"

#include "memory.h"

#include <stdlib.h>

/* ---- merging the threads by their clocks */

struct lane { /* one thread: its runs in the order in which it wrote them */
    const struct run *run, *end;
    const struct event *next, *run_end;
    uint64_t time; /* of next; never less than that of the event before it */
};

/* The thread's own order is certain. So is that of its runs: it begins a new one only when the last one is full. */
static int run_compare(const void *left, const void *right)
{
    const struct run *a = left, *b = right;

    if (a->events->thread != b->events->thread)
        return a->events->thread < b->events->thread ? -1 : 1;
    if (a->events->time != b->events->time)
        return a->events->time < b->events->time ? -1 : 1;
    return a->events < b->events ? -1 : 1; /* runs lie in one array */
}

static void lane_enter_run(struct lane *lane)
{
    lane->next = lane->run->events;
    lane->run_end = lane->next + lane->run->count;
}

/* Steps over the event that was taken. False: it was the lane's last. */
static bool lane_step(struct lane *lane)
{
    if (++lane->next == lane->run_end) {
        if (++lane->run == lane->end)
            return false;
        lane_enter_run(lane);
    }
    if (lane->next->time > lane->time)
        lane->time = lane->next->time;
    return true;
}

static bool lane_before(const struct lane *a, const struct lane *b)
{
    if (a->time != b->time)
        return a->time < b->time;
    return a->next->thread < b->next->thread;
}

static void heap_sink(struct lane *heap, size_t count, size_t at)
{
    struct lane sinking = heap[at];

    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && lane_before(&heap[child + 1], &heap[child]))
            child++;
        if (!lane_before(&heap[child], &sinking))
            break;
        heap[at] = heap[child];
    }
    heap[at] = sinking;
}

static size_t lanes_make(struct lane *lanes, const struct run *runs, size_t run_count)
{
    size_t count = 0;

    for (size_t i = 0; i < run_count; i++) {
        if (count == 0 || lanes[count - 1].run->events->thread != runs[i].events->thread)
            lanes[count++].run = &runs[i];
        lanes[count - 1].end = &runs[i + 1];
    }
    for (size_t i = 0; i < count; i++) {
        lane_enter_run(&lanes[i]);
        lanes[i].time = lanes[i].next->time;
    }
    return count;
}

static void merge(struct event *ordered, struct run *runs, size_t run_count)
{
    struct lane *heap = memory_array(run_count, sizeof *heap);
    size_t count;

    qsort(runs, run_count, sizeof *runs, run_compare);
    count = lanes_make(heap, runs, run_count);
    for (size_t i = count; i-- > 0;)
        heap_sink(heap, count, i);
    while (count > 0) {
        *ordered = *heap[0].next;
        ordered++->time = heap[0].time;
        if (!lane_step(&heap[0]))
            heap[0] = heap[--count];
        heap_sink(heap, count, 0);
    }
    free(heap);
}

void order_events(struct event *ordered, struct run *runs, size_t run_count)
{
    merge(ordered, runs, run_count);
}
