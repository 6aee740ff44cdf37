"""Where a program's CPU time goes, also on free-threaded builds.

`sampler` lets each thread note its own stack, `pyspy` has py-spy read a build with the GIL,
`result` is what either found, `formats` writes it. Must never import anything of ftbridge but this
package: it is loaded into the program under test.
"""

from ftbridge.cpuprofile.result import CpuProfile, CpuStack
from ftbridge.cpuprofile.sampler import CpuSampler

__all__ = ["CpuProfile", "CpuSampler", "CpuStack"]
