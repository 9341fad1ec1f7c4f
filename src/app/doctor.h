/* SPDX-License-Identifier: Apache-2.0 */
/* weir doctor: from the command line to the checks (doctor/doctor.h).
 *
 * Threads: main thread only.
 */
#ifndef WEIR_APP_DOCTOR_H
#define WEIR_APP_DOCTOR_H

/* Returns the exit status: 0 nothing is wrong, 1 something is, 2 wrong usage. */
int weir_doctor_main(int argc, char **argv);

#endif
