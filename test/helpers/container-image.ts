/** The image of the container tests: this machine's Node and npm, with the other contents of a real image. */
export const TEST_IMAGE = `localhost/servable-test-system:${process.versions.node}`;
