/** The image that the tests of containers run in: this machine's Node and npm, with what real images have beside them. */
export const TEST_IMAGE = `localhost/servable-test-system:${process.versions.node}`;
