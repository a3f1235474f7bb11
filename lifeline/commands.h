/* lifeline's commands. Each gets the arguments that follow its name (argv[0] is the name itself) and returns the exit
 * status: 0 fine, 2 unreadable recording or bad usage; check also 1 and 3. */
#ifndef COMMANDS_H
#define COMMANDS_H

int draw_main(int argc, char **argv);
int check_main(int argc, char **argv);
int stats_main(int argc, char **argv);
int dump_main(int argc, char **argv);

#endif
