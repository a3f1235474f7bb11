/* For models: small programs over the runtime's own sources, of which the explorer runs every interleaving.
 *
 * A model is a file in models/ that defines `model_run`. It is the first thread; it starts others with pthread_create,
 * joins them, and gives back all memory. It uses the runtime as any program would. README.md tells the rest. */
#ifndef EXPLORE_H
#define EXPLORE_H

#include <stdbool.h>
#include <stddef.h>

/* The body of the model, run again and again. Static variables are as new each time. */
void model_run(void);

/* What must hold here, in every run. */
#define EXPECT(condition) ((condition) ? (void)0 : explorer_broken(#condition, __FILE__, __LINE__))
_Noreturn void explorer_broken(const char *condition, const char *file, int line);

/* Branches the search: returns each of 0 ... options - 1 in some run. */
unsigned explorer_choose(unsigned options);

/* While it is calm the processor is taken from no thread that could go on: for what comes before and after the part that
 * the model is about. It makes no difference under --bound all. */
void explorer_calm(bool calm);

/* A descriptor that the model itself makes readable, from any thread, and closes with sys_close. */
int explorer_source(void);
void explorer_source_ready(int fd);

#endif
