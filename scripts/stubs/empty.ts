// Stands in for packages that dockerode loads for BuildKit build sessions only, which are not used.
export {};
