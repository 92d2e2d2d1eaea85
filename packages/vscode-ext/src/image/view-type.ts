/** The editor of pictures, by its name in the manifest. */
export const viewType = "masklet.image";
