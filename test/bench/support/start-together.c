/*
 * start-together DIRECTORY COUNT: starts COUNT programs at once, as a container runtime does (vfork, which costs the same from a
 * process of any size), and tells for each on a line how it ended, and when, in milliseconds since the first start:
 * "0 1.234".
 *
 * Program N is what the files of DIRECTORY say: N.env (NAME=VALUE, each ended by NUL; PROGRAM is its path), N.in (its standard
 * input), N.out (made, its standard output).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST_VARIABLES 32
#define LONGEST_ENVIRONMENT 8192

struct program {
  pid_t pid;
  int status;
  double ended;
};

static void check(int failed, const char *what) {
  if (!failed) return;
  perror(what);
  exit(1);
}

static double milliseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int openFile(const char *directory, int number, const char *suffix, int flags) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%d.%s", directory, number, suffix);
  int fd = open(path, flags | O_CLOEXEC, 0600);
  check(fd < 0, path);
  return fd;
}

static void start(struct program *program, const char *directory, int number) {
  char text[LONGEST_ENVIRONMENT + 1];
  char *environment[MOST_VARIABLES + 1] = {NULL};
  char *path = NULL;
  int source = openFile(directory, number, "env", O_RDONLY);
  ssize_t length = read(source, text, LONGEST_ENVIRONMENT);
  check(length < 0, "read");
  text[length] = 0;
  close(source);
  int count = 0;
  for (char *entry = text; entry < text + length && count < MOST_VARIABLES; entry += strlen(entry) + 1) {
    if (strncmp(entry, "PROGRAM=", 8) == 0) path = entry + 8;
    else environment[count++] = entry;
  }
  check(path == NULL, "no PROGRAM");

  int in = openFile(directory, number, "in", O_RDONLY);
  int out = openFile(directory, number, "out", O_WRONLY | O_CREAT | O_TRUNC);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
  char *arguments[] = {path, NULL};
  check(posix_spawn(&program->pid, path, &files, NULL, arguments, environment) != 0, path);
  posix_spawn_file_actions_destroy(&files);
  close(in);
  close(out);
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  int count = atoi(argv[2]);
  struct program *programs = calloc((size_t)count, sizeof *programs);
  check(programs == NULL, "calloc");
  double started = milliseconds();
  for (int i = 0; i < count; i++) start(&programs[i], argv[1], i);
  for (int ended = 0; ended < count; ended++) {
    int code;
    pid_t pid = wait(&code);
    check(pid < 0, "wait");
    for (int i = 0; i < count; i++) {
      if (programs[i].pid != pid) continue;
      programs[i].ended = milliseconds();
      programs[i].status = WIFEXITED(code) ? WEXITSTATUS(code) : 128;
    }
  }
  for (int i = 0; i < count; i++) printf("%d %.3f\n", programs[i].status, programs[i].ended - started);
  return 0;
}
