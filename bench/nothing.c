/* The small static program that the measure process-start starts.
 * SPDX-License-Identifier: MIT */
int main(void)
{
    return 0;
}
