/** The image that the tests of containers run in: this machine's Node and npm. */
export const TEST_IMAGE = `localhost/servable-test-node:${process.versions.node}`;
