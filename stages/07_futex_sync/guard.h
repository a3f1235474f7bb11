/* How locks that block threads appear in a recording: each has a number, and its guard_acquire and guard_release bear
 * it. From these lifeline sees who holds what while a task is suspended. */
#ifndef GUARD_H
#define GUARD_H

#include <stdatomic.h>
#include <stdint.h>

/* The lock's number, drawn when it is asked for the first time, so that locks of a run that is not recorded cost
 * nothing. Unique in the process, from 1; *number begins as 0. pure: a program runs the same whether it was asked or
 * not, so a trace point may ask. */
__attribute__((pure)) uint32_t guard_number(_Atomic uint32_t *number);

/* The number of this thread's share of a lock that several threads may hold at once: the thread's own number (also
 * unique among those of locks) in the upper half, the lock's in the lower. */
__attribute__((pure)) uint64_t guard_share(_Atomic uint32_t *number);

#endif
